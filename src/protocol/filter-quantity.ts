/** How the numbers of a field are written in a filter. */
export type QuantityKind = 'count' | 'bytes' | 'duration';

/** Of an SI prefix thousands, of `Ki` and the like 1,024: as in `ls --si` and `ls -h`. */
const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  kib: 2 ** 10,
  m: 1e6,
  mb: 1e6,
  mib: 2 ** 20,
  g: 1e9,
  gb: 1e9,
  gib: 2 ** 30,
};
const COUNT_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };
/** In nanoseconds. */
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  min: 60e9,
  h: 3600e9,
};
const UNITS = { count: COUNT_UNITS, bytes: BYTE_UNITS, duration: DURATION_UNITS } as const;

export const QUANTITY_EXAMPLE: Readonly<Record<QuantityKind, string>> = {
  count: '100',
  bytes: '1MB',
  duration: '1ms',
};

/** `1.5MB`, `200us`, `10k` as a number; null where it is none, or has no unit that it needs. */
export function parseQuantity(text: string, kind: QuantityKind): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-zµμ]*)$/i.exec(text);
  if (match === null) return null;
  const unit = UNITS[kind][(match[2] ?? '').toLowerCase()];
  if (unit === undefined) return match[1] === '0' && match[2] === '' ? 0 : null;
  return Number(match[1]) * unit;
}
