import { BpfError } from 'ebpf-ts';
import { expect } from 'vitest';

/** The BpfError that `action` throws; fails when it throws none or one of another code. */
export function bpfErrorOf(action: () => unknown, code: string): BpfError {
  let thrown: unknown = null;
  try {
    action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(BpfError);
  const error = thrown as BpfError;
  expect(`${error.code} ${error.message}`).toContain(code);
  expect(error.code).toBe(code);
  return error;
}
