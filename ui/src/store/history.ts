import { HISTORY_POINT_LIMIT } from 'hopscope-protocol';

/** Points kept: five minutes of ticks, and all that the daemon has of before. */
export const HISTORY_LIMIT = 300 + 2 * HISTORY_POINT_LIMIT;
/** Series kept; more are refused and counted. */
export const SERIES_LIMIT = 160;

/** Values over time, one point a tick, bounded in both directions. */
export class History {
  #times: number[] = [];
  readonly #series = new Map<string, (number | null)[]>();
  refused = 0;

  get times(): readonly number[] {
    return this.#times;
  }

  series(name: string): readonly (number | null)[] {
    return this.#series.get(name) ?? this.#times.map(() => null);
  }

  /** `time` in seconds. A time that does not move on is no new point. */
  push(time: number, values: ReadonlyMap<string, number | null>): void {
    const last = this.#times.at(-1);
    if (last !== undefined && time <= last) return;
    for (const name of values.keys()) {
      if (this.#series.has(name)) continue;
      if (this.#series.size >= SERIES_LIMIT) this.refused += 1;
      else
        this.#series.set(
          name,
          this.#times.map(() => null),
        );
    }
    this.#times.push(time);
    for (const [name, points] of this.#series) points.push(values.get(name) ?? null);
    if (this.#times.length > HISTORY_LIMIT) this.#dropOldest();
  }

  /** Puts points before those that are here; those that are not older are left out. */
  fill(
    points: readonly {
      readonly time: number;
      readonly values: ReadonlyMap<string, number | null>;
    }[],
  ): void {
    const first = this.#times[0] ?? Number.POSITIVE_INFINITY;
    const older = points.filter(({ time }) => time < first);
    const room = Math.max(0, HISTORY_LIMIT - this.#times.length);
    const kept = older.slice(Math.max(0, older.length - room));
    const names = new Set([
      ...this.#series.keys(),
      ...kept.flatMap(({ values }) => [...values.keys()]),
    ]);
    const times = this.#times;
    for (const name of names) {
      const before = this.#series.get(name);
      if (before === undefined && this.#series.size >= SERIES_LIMIT) {
        this.refused += 1;
        continue;
      }
      const now = before ?? times.map(() => null);
      this.#series.set(name, [...kept.map(({ values }) => values.get(name) ?? null), ...now]);
    }
    this.#times = [...kept.map(({ time }) => time), ...times];
  }

  #dropOldest(): void {
    this.#times.shift();
    for (const [name, points] of this.#series) {
      points.shift();
      if (points.every((point) => point === null)) this.#series.delete(name);
    }
  }
}
