import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/**
 * How often the event loop is looked at, milliseconds; it is not part of the delay. Seldom: on
 * two cores that are full, 50 wake-ups a second in each process took 3% of the packets.
 */
const RESOLUTION_MS = 100;
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
}

type Delay = Pick<Load, 'delayP50' | 'delayP99' | 'delayMax'>;

const NO_DELAY: Delay = { delayP50: 0, delayP99: 0, delayMax: 0 };

/** Measures the process it is in. */
export class LoadMeter {
  readonly #histogram: IntervalHistogram;
  #before: Delay = NO_DELAY;
  #since = performance.now();

  constructor() {
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram.enable();
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
    };
  }

  close(): void {
    this.#histogram.disable();
  }

  #delay(): Delay {
    const histogram = this.#histogram;
    if (histogram.count === 0) return NO_DELAY;
    return {
      delayP50: seconds(histogram.percentile(50)),
      delayP99: seconds(histogram.percentile(99)),
      delayMax: seconds(histogram.max),
    };
  }
}

/** Of a time between two looks, in nanoseconds. */
function seconds(ns: number): number {
  return Math.max(0, ns / 1e9 - RESOLUTION_MS / 1e3);
}
