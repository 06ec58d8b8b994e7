/** Nanoseconds in the unit that suits them: `820 ns`, `9.1 µs`, `1.25 ms`, `2.0 s`. */
export function durationText(ns: number): string {
  if (ns < 1e3) {
    return `${Math.round(ns)} ns`;
  }
  if (ns < 1e6) {
    return `${(ns / 1e3).toFixed(1)} µs`;
  }
  return ns < 1e9 ? `${(ns / 1e6).toFixed(2)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}
