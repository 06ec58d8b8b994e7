import { BpfError } from 'ebpf-ts';
import type { Epoch } from '../wire/clock.js';
import type { CountCursor } from '../wire/count-cursor.js';
import type { CountObjects } from './count-instrument.js';
import { CountNews } from './count-news.js';
import { countedDevices } from './counted-devices.js';
import { Counter } from './counter.js';
import { readDevices } from './device-reader.js';
import { type FoundNamespace, NamespaceWatcher } from './namespace-watcher.js';

/** Devices are looked for again so soon after a change: they come after their namespace. */
const SOON_MS = 300;
/** And so often without one: a device may come to a namespace that is known. */
const SELDOM_MS = 10_000;

export interface FlowCountingOptions {
  readonly objects: CountObjects;
  readonly epoch: Epoch;
  /** The namespaces that are observed, now. */
  readonly namespaces: () => Iterable<FoundNamespace>;
  /** Given each count that has changed; the cursor is reused. */
  readonly onCount: (row: CountCursor) => void;
  readonly onWarning: (message: string) => void;
}

/** Counts every flow where it is met once, on the devices there are; see counter.ts. */
export class FlowCounting {
  readonly #options: FlowCountingOptions;
  readonly #counter: Counter | null;
  readonly #noCounter: string | null;
  readonly #own = NamespaceWatcher.own();
  #timer: NodeJS.Timeout | null = null;
  #isReading = false;
  #isStopped = false;
  #packets = 0;
  #losses: Readonly<Record<string, bigint>> = {};
  readonly #news = new CountNews();

  constructor(options: FlowCountingOptions) {
    this.#options = options;
    let counter: Counter | null = null;
    let reason: string | null = null;
    try {
      counter = new Counter({ objects: options.objects, epoch: options.epoch });
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      reason = `flows are not counted in the kernel: ${error.operation}: ${error.code}`;
    }
    this.#counter = counter;
    this.#noCounter = reason;
  }

  /** What it cannot count, in words. */
  get missing(): readonly string[] {
    return this.#noCounter === null ? (this.#counter?.missing ?? []) : [this.#noCounter];
  }

  /** Packets counted so far; null where nothing counts. */
  get packets(): number | null {
    if (this.#counter === null) return null;
    if (!this.#isStopped) this.#packets = this.#counter.tallies().packets;
    return this.#packets;
  }

  /** Packets that are in no flow's count, or in that of another flow, by cause. */
  losses(): Readonly<Record<string, bigint>> {
    const counter = this.#counter;
    if (counter !== null && !this.#isStopped) {
      const { uncounted, malformed, lostFragments } = counter.tallies();
      this.#losses = {
        'packets-uncounted': BigInt(uncounted),
        'packets-malformed': BigInt(malformed),
        'fragments-without-ports': BigInt(lostFragments),
      };
    }
    return this.#losses;
  }

  /** Whether something that deserves a window was counted since the last call; see CountNews. */
  hasNews(now: bigint): boolean {
    const counter = this.#counter;
    return counter !== null && !this.#isStopped && this.#news.take(counter.tallies(), now);
  }

  /** Attaches to the devices there are, before the first packet counts. */
  start(): Promise<void> {
    return this.#follow();
  }

  /** Namespaces have come or gone. */
  changed(): void {
    this.#next(SOON_MS);
  }

  /** Hands on one batch of what has changed. */
  read(): void {
    if (!this.#isStopped) this.#counter?.read(this.#options.onCount);
  }

  /** Hands on all that has changed, and ends. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const counter = this.#counter;
    if (counter === null || this.#isStopped) return;
    counter.detach();
    counter.readAll(this.#options.onCount);
    this.#packets = counter.tallies().packets;
    this.losses();
    this.#isStopped = true;
    counter.close();
  }

  #next(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.#follow(), ms);
  }

  async #follow(): Promise<void> {
    if (this.#counter === null || this.#isReading || this.#isStopped) return;
    this.#isReading = true;
    try {
      const known = await readDevices(this.#options.namespaces(), this.#own);
      if (!this.#isStopped) this.#counter.countOn(countedDevices(known));
    } catch (error) {
      this.#options.onWarning(`looking for devices: ${String(error)}`);
    } finally {
      this.#isReading = false;
      this.#next(SELDOM_MS);
    }
  }
}
