import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { type GcLoad, GcMeter } from './gc-meter.js';

/** Delays are those of one to two of these. */
const SPAN_MS = 30_000;

/** What one process takes. */
export interface Load {
  /** Bytes. */
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  /** Seconds the event loop was late, over the last half minute or so. */
  readonly delayP50: number;
  readonly delayP99: number;
  readonly delayMax: number;
  /** Garbage collections since the start. */
  readonly gc: GcLoad;
}

type Delay = Pick<Load, 'delayP50' | 'delayP99' | 'delayMax'>;

const NO_DELAY: Delay = { delayP50: 0, delayP99: 0, delayMax: 0 };

/** Measures the process it is in. */
export class LoadMeter {
  readonly #histogram: RecordableHistogram = createHistogram();
  readonly #gc = new GcMeter();
  #before: Delay = NO_DELAY;
  #since = performance.now();

  /**
   * A timer came so late, milliseconds. It is for whoever has one to report it: a timer for this
   * alone would wake the process more often than anything else does.
   */
  late(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * 1e6)));
  }

  read(): Load {
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
    const now = this.#delay();
    const delay = {
      delayP50: Math.max(this.#before.delayP50, now.delayP50),
      delayP99: Math.max(this.#before.delayP99, now.delayP99),
      delayMax: Math.max(this.#before.delayMax, now.delayMax),
    };
    if (performance.now() - this.#since > SPAN_MS) {
      this.#before = now;
      this.#since = performance.now();
      this.#histogram.reset();
    }
    return {
      residentBytes: rss,
      heapUsedBytes: heapUsed,
      heapTotalBytes: heapTotal,
      externalBytes: external,
      ...delay,
      gc: this.#gc.read(),
    };
  }

  close(): void {
    this.#gc.close();
  }

  #delay(): Delay {
    const histogram = this.#histogram;
    if (histogram.count === 0) return NO_DELAY;
    return {
      delayP50: histogram.percentile(50) / 1e9,
      delayP99: histogram.percentile(99) / 1e9,
      delayMax: histogram.max / 1e9,
    };
  }
}
