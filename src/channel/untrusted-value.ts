/** Where an untrusted value is not what it should be. */
export class Mismatch extends Error {}

export type Reader<T> = (value: unknown, at: string) => T;
export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const object: Reader<Fields> = (value, at) => {
  if (!isFields(value)) throw new Mismatch(`${at} is not an object`);
  return value;
};

export const boolean: Reader<boolean> = (value, at) => {
  if (typeof value !== 'boolean') throw new Mismatch(`${at} is not true or false`);
  return value;
};

export const number: Reader<number> = (value, at) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new Mismatch(`${at} is not a number`);
  }
  return value;
};

export const string: Reader<string> = (value, at) => {
  if (typeof value !== 'string') throw new Mismatch(`${at} is not a string`);
  return value;
};

export const decimal: Reader<string> = (value, at) => {
  if (typeof value !== 'string' || !/^-?\d{1,20}$/.test(value)) {
    throw new Mismatch(`${at} is not a decimal string`);
  }
  return value;
};

export function short(limit: number): Reader<string> {
  return (value, at) => {
    const text = string(value, at);
    if (text.length === 0 || text.length > limit) {
      throw new Mismatch(`${at} must have 1 to ${limit} characters`);
    }
    return text;
  };
}

export function nullable<T>(reader: Reader<T>): Reader<T | null> {
  return (value, at) => (value === null ? null : reader(value, at));
}

export function list<T>(reader: Reader<T>, limit = Number.POSITIVE_INFINITY): Reader<T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw new Mismatch(`${at} is not a list`);
    if (value.length > limit) throw new Mismatch(`${at} has more than ${limit} entries`);
    return value.map((item, index) => reader(item, `${at}[${index}]`));
  };
}

export function oneOf<T extends string>(...allowed: readonly T[]): Reader<T> {
  return (value, at) => {
    const found = allowed.find((item) => item === value);
    if (found === undefined) throw new Mismatch(`${at} is not one of ${allowed.join(', ')}`);
    return found;
  };
}

/**
 * Checks the fields named and passes the value on as it is, so that a newer
 * daemon's additional fields survive.
 */
export function shape<T>(readers: { readonly [K in keyof T]?: Reader<T[K]> }): Reader<T> {
  const entries = Object.entries(readers) as [string, Reader<unknown>][];
  return (value, at) => {
    const fields = object(value, at);
    for (const [name, reader] of entries) reader(fields[name], `${at}.${name}`);
    return fields as T;
  };
}
