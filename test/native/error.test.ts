import { BpfError, BpfObject } from 'ebpf-ts';
import { expect, test } from 'vitest';

test('carries operation, errno, code and log, and says them', () => {
  const error = new BpfError('load', 13, 'EACCES', "prog 'x'", 'the log');
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    name: 'BpfError',
    operation: 'load',
    errno: 13,
    code: 'EACCES',
    log: 'the log',
    message: "load: EACCES: prog 'x'",
  });
  expect(new BpfError('close', 0, 'BPF_CLOSED', '', null).message).toBe('close: BPF_CLOSED');
});

test('comes from native code with a stack that leads to the caller', () => {
  try {
    BpfObject.open('/nowhere/at-all.o');
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(BpfError);
    expect((error as BpfError).stack).toContain('error.test.ts');
  }
});
