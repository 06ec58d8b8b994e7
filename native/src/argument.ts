/** Checks of arguments before they reach native code. */
import { badArgument } from './error.js';

const UINT32_MAX = 0xffff_ffff;

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return value === null ? 'null' : typeof value;
}

/** A string without NUL, which C would cut there, of 1 to `limit` characters. */
export function checkString(operation: string, what: string, value: unknown, limit = 4096): string {
  if (typeof value !== 'string' || value === '') {
    throw badArgument(operation, `${what} must be a non-empty string, not ${describe(value)}`);
  }
  if (value.length > limit) {
    throw badArgument(operation, `${what} is longer than ${limit} characters`);
  }
  if (value.includes('\0')) throw badArgument(operation, `${what} contains a NUL character`);
  return value;
}

export function checkInteger(
  operation: string,
  what: string,
  value: unknown,
  min: number,
  max: number,
): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw badArgument(
      operation,
      `${what} must be an integer from ${min} to ${max}, not ${describe(value)}`,
    );
  }
  return value;
}

export function checkUint32(operation: string, what: string, value: unknown, min = 0): number {
  return checkInteger(operation, what, value, min, UINT32_MAX);
}

export function checkBoolean(operation: string, what: string, value: unknown): boolean {
  if (typeof value !== 'boolean') {
    throw badArgument(operation, `${what} must be a boolean, not ${describe(value)}`);
  }
  return value;
}

export function checkBytes(operation: string, what: string, value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) {
    throw badArgument(operation, `${what} must be a Uint8Array, not ${describe(value)}`);
  }
  return value;
}

export function checkBytesOf(
  operation: string,
  what: string,
  value: unknown,
  length: number,
): Uint8Array {
  const bytes = checkBytes(operation, what, value);
  if (bytes.length !== length) {
    throw badArgument(operation, `${what} must have ${length} bytes, not ${bytes.length}`);
  }
  return bytes;
}

/** The value that `names` gives to `key`. */
export function checkName<T>(
  operation: string,
  what: string,
  names: Readonly<Record<string, T>>,
  key: unknown,
): T {
  if (typeof key === 'string' && Object.hasOwn(names, key)) {
    const value = names[key];
    if (value !== undefined) return value;
  }
  const known = Object.keys(names).join(', ');
  throw badArgument(operation, `${what} must be one of ${known}, not ${describe(key)}`);
}
