import { isFields, Mismatch, type Reader } from './untrusted-value.js';

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: string; readonly message: string };

/**
 * Reads one message of text by the reader that its `type` names. Never throws; `code` says
 * what is wrong.
 */
export function parseMessage<T>(
  text: string,
  readers: Readonly<Record<string, Reader<T>>>,
): Parsed<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, code: 'not-json', message: 'the message is not JSON' };
  }
  const type = isFields(value) ? value['type'] : undefined;
  if (typeof type !== 'string') {
    return { ok: false, code: 'no-type', message: 'the message has no type' };
  }
  const reader = Object.hasOwn(readers, type) ? readers[type] : undefined;
  if (reader === undefined) {
    const known = Object.keys(readers).join(', ');
    return { ok: false, code: 'unknown-type', message: `the type is not one of ${known}` };
  }
  try {
    return { ok: true, value: reader(value, type) };
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    return { ok: false, code: 'bad-field', message: error.message };
  }
}
