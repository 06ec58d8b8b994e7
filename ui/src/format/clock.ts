/** Records carry wall-clock nanoseconds since the epoch as decimal strings. */

function date(ns: string): Date {
  return new Date(Number(BigInt(ns) / 1_000_000n));
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** Local time of day, to the second. */
export function clockTime(ns: string): string {
  const at = date(ns);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Local time of day, to the microsecond. */
export function preciseTime(ns: string): string {
  const micros = (BigInt(ns) / 1000n) % 1_000_000n;
  return `${clockTime(ns)}.${String(micros).padStart(6, '0')}`;
}

/** Local date and time, to the microsecond. */
export function dateTime(ns: string): string {
  const at = date(ns);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${preciseTime(ns)}`;
}

/** Nanoseconds from one time to a later one, never negative. */
export function elapsed(from: string, to: string): number {
  return Math.max(0, Number(BigInt(to) - BigInt(from)));
}

/** How long something has lasted, coarse: 12s, 3m, 5h. */
export function shortAge(ns: number): string {
  const seconds = Math.floor(ns / 1e9);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  if (seconds < 86_400)
    return `${Math.floor(seconds / 3600)}h${two(Math.floor(seconds / 60) % 60)}m`;
  return `${Math.floor(seconds / 86_400)}d`;
}

export function toSeconds(ns: string): number {
  return Number(BigInt(ns) / 1000n) / 1e6;
}
