/** How long work that comes again and again rests, ms. */
export interface Rest {
  readonly least: number;
  readonly most: number;
  /** Times the length of the work: what it takes of a core stays below one part of so many. */
  readonly times: number;
}

/** How long to rest after work that took `took` ms. */
export function pauseAfter(took: number, { least, most, times }: Rest): number {
  return Math.max(least, Math.min(times * took, most));
}

/** Between readings of names or devices without a change: each starts dozens of processes. */
export const READING_REST: Rest = { least: 10_000, most: 60_000, times: 50 };
