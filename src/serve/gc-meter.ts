import { constants, PerformanceObserver } from 'node:perf_hooks';

/** Kinds of V8's collections, as prom-client and Node's dashboards name them. */
const KINDS: ReadonlyMap<number, GcKind> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

export type GcKind = 'minor' | 'major' | 'incremental' | 'weakcb';

export type GcLoad = Readonly<Record<GcKind, { readonly count: number; readonly seconds: number }>>;

/** Adds up the garbage collections of its process. V8 reports them: no timer asks. */
export class GcMeter {
  readonly #sums = {
    minor: { count: 0, seconds: 0 },
    major: { count: 0, seconds: 0 },
    incremental: { count: 0, seconds: 0 },
    weakcb: { count: 0, seconds: 0 },
  };
  readonly #observer: PerformanceObserver;

  constructor() {
    this.#observer = new PerformanceObserver((list) => this.#add(list.getEntries()));
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  /** Since it was made. */
  read(): GcLoad {
    this.#add(this.#observer.takeRecords());
    return structuredClone(this.#sums);
  }

  close(): void {
    this.#observer.disconnect();
  }

  #add(entries: readonly { readonly duration: number; readonly detail?: unknown }[]): void {
    for (const { duration, detail } of entries) {
      const kind = KINDS.get((detail as { kind?: number } | undefined)?.kind ?? -1);
      if (kind === undefined) continue;
      this.#sums[kind].count += 1;
      this.#sums[kind].seconds += duration / 1000;
    }
  }
}
