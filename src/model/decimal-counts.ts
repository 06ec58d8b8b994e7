/** Counts of 64 bits by name, as JSON has them. */
export type DecimalCounts = Readonly<Record<string, string>>;

export function decimalCounts(
  counts: Iterable<readonly [string, number | bigint]>,
): Record<string, string> {
  return Object.fromEntries([...counts].map(([name, count]) => [name, String(count)]));
}

/** @throws SyntaxError where one is no integer */
export function bigintCounts(counts: DecimalCounts = {}): Record<string, bigint> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, BigInt(count)]));
}
