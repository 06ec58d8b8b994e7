const NONE = '–';

/** Nanoseconds in the unit that leaves one to three digits before the point. */
export function formatDuration(ns: number | null): string {
  if (ns === null) return NONE;
  if (ns < 1000) return `${Math.round(ns)} ns`;
  if (ns < 1e6) return `${significant(ns / 1e3)} µs`;
  if (ns < 1e9) return `${significant(ns / 1e6)} ms`;
  if (ns < 60e9) return `${significant(ns / 1e9)} s`;
  const minutes = Math.floor(ns / 60e9);
  if (minutes < 60) return `${minutes} min ${Math.floor((ns % 60e9) / 1e9)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Decimal multiples: 1.2 k, 3.4 M. */
export function formatCount(value: number | null): string {
  if (value === null) return NONE;
  if (value < 1000) return brief(value);
  if (value < 1e6) return `${significant(value / 1e3)} k`;
  if (value < 1e9) return `${significant(value / 1e6)} M`;
  return `${significant(value / 1e9)} G`;
}

export function formatBytes(value: number | null): string {
  if (value === null) return NONE;
  if (value < 1000) return `${brief(value)} B`;
  return `${formatCount(value)}B`;
}

/** A decimal string in full, thousands set apart. */
export function formatExact(decimal: string): string {
  return decimal.replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${formatExact(String(count))} ${count === 1 ? one : many}`;
}

/** One digit after the point where it says something. */
function brief(value: number): string {
  return value < 10 ? String(Math.round(value * 10) / 10) : value.toFixed(0);
}

function significant(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  if (value >= 9.995) return value.toFixed(1);
  return value.toFixed(2);
}
