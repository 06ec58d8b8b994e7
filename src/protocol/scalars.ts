import * as v from 'valibot';

/** What a schema stands for. Nothing that was read is changed afterwards. */
export type Infer<Schema extends v.GenericSchema> = DeepReadonly<v.InferOutput<Schema>>;

type DeepReadonly<T> = T extends object ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> } : T;

export const string = v.string();
export const boolean = v.boolean();

/** JSON has no other numbers, but `1e999` becomes infinite. */
export const number = v.custom<number>(Number.isFinite, 'a finite number');

export const integer = v.custom<number>(Number.isSafeInteger, 'an integer');

/** From 0 to `most`. */
export function whole(most: number = Number.MAX_SAFE_INTEGER) {
  return v.custom<number>(
    (value) => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most,
    most === Number.MAX_SAFE_INTEGER ? 'a whole number' : `a whole number up to ${most}`,
  );
}

/** Set, or absent. */
export const mark = v.exactOptional(v.literal(true));

const DECIMAL = /^-?\d{1,20}$/;

/** 64 bits, which a number of JSON cannot hold. */
export const decimal = v.custom<string>(
  (value) => typeof value === 'string' && DECIMAL.test(value),
  'a decimal string',
);

/** Text of 1 to `limit` characters. */
export function short(limit: number) {
  return v.custom<string>(
    (value) => typeof value === 'string' && value.length > 0 && value.length <= limit,
    `text of 1 to ${limit} characters`,
  );
}

/** Text of at most `limit` characters. */
export function longest(limit: number) {
  return v.custom<string>(
    (value) => typeof value === 'string' && value.length <= limit,
    `text of at most ${limit} characters`,
  );
}

/** At most `limit` entries; looked at one by one only when there are no more. */
export function list<const Item extends v.GenericSchema>(item: Item, limit: number) {
  return v.pipe(
    v.custom<v.InferInput<Item>[]>(
      (value) => Array.isArray(value) && value.length <= limit,
      `a list of at most ${limit} entries`,
    ),
    v.array(item),
  );
}
