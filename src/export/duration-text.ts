/** Nanoseconds in the unit that suits them: `820 ns`, `9.1 µs`, `1.25 ms`, `2.00 s`. */
export function durationText(ns: number): string {
  // Limits are where the rounded text would need a fourth digit before the point.
  if (ns < 999.5) {
    return `${Math.round(ns)} ns`;
  }
  if (ns < 999_950) {
    return `${(ns / 1e3).toFixed(1)} µs`;
  }
  return ns < 999_995_000 ? `${(ns / 1e6).toFixed(2)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}
