import { BpfError } from 'ebpf-ts';
import type { Epoch } from '../wire/clock.js';
import type { CountCursor } from '../wire/count-cursor.js';
import type { CountObjects } from './count-instrument.js';
import { CountNews } from './count-news.js';
import { countedDevices, type KnownNamespace } from './counted-devices.js';
import { Counter } from './counter.js';
import type { DescriptorStore } from './descriptor-store.js';
import { readDevices } from './device-reader.js';
import { type FoundNamespace, NamespaceWatcher } from './namespace-watcher.js';
import { pauseAfter, READING_REST, type Rest } from './pause.js';

/** Devices are looked for again so soon after a change: they come after their namespace. */
const SOON_MS = 300;
/**
 * Between walks over the table: of thousands of flows under way all have changed each time, and
 * reading 4,000 entries every 40 ms took a third of a core.
 */
const COUNT_READ_REST: Rest = { least: 40, most: 1_000, times: 30 };
/** Batches follow each other for so long; where all entries are new flows one takes longer. */
const READ_MS = 4;

export interface FlowCountingOptions {
  readonly objects: CountObjects;
  readonly epoch: Epoch;
  /** The namespaces that are observed, now. */
  readonly namespaces: () => Iterable<FoundNamespace>;
  /** Given each count that has changed; the cursor is reused. */
  readonly onCount: (row: CountCursor) => void;
  readonly onWarning: (message: string) => void;
  /** See CounterOptions. */
  readonly store?: DescriptorStore | null;
}

/** Counts every flow where it is met once, on the devices there are; see counter.ts. */
export class FlowCounting {
  readonly #options: FlowCountingOptions;
  readonly #own = NamespaceWatcher.own().netns;
  #counter: Counter | null = null;
  #noCounter: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #loading: Promise<void> = Promise.resolve();
  #starting: Promise<void> = Promise.resolve();
  #isFollowing = false;
  /** A change came while the one before was dealt with. */
  #isDueSoon = false;
  #isStopping = false;
  #isFinal = false;
  #packets = 0;
  #readAt = 0n;
  /** Taken by the walk that goes on. */
  #walkMs = 0;
  #losses: Readonly<Record<string, bigint>> = {};
  readonly #news = new CountNews();

  constructor(options: FlowCountingOptions) {
    this.#options = options;
  }

  /** What it cannot count, in words. */
  get missing(): readonly string[] {
    return this.#noCounter === null ? (this.#counter?.missing ?? []) : [this.#noCounter];
  }

  /** Packets counted so far; null where nothing counts. */
  get packets(): number | null {
    if (this.#counter === null) return null;
    if (!this.#isFinal) this.#packets = this.#counter.tallies().packets;
    return this.#packets;
  }

  /** Packets that are in no flow's count, or in that of another flow, by cause. */
  losses(): Readonly<Record<string, bigint>> {
    const counter = this.#counter;
    if (counter !== null && !this.#isFinal) {
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
    return counter !== null && !this.#isFinal && this.#news.isNews(counter.tallies(), now);
  }

  /** Attaches to the devices there are; resolved when every packet on them counts. */
  start(): Promise<void> {
    // Programs are loaded while other processes look for devices.
    this.#loading = this.#open();
    this.#starting = this.#start(this.#knownDevices());
    return this.#starting;
  }

  /** Resolved when the programs are loaded, or are known not to load, after `start`. */
  get loaded(): Promise<void> {
    return this.#loading;
  }

  /** Namespaces have come or gone. */
  changed(): void {
    if (this.#isFollowing) this.#isDueSoon = true;
    else this.#next(SOON_MS);
  }

  /**
   * Hands on some of what has changed, when that is due, and goes on at the next call.
   *
   * @param now CLOCK_MONOTONIC, ns; call it at each look
   */
  read(now: bigint): void {
    if (this.#isFinal || this.#counter === null || now < this.#readAt) return;
    const begun = performance.now();
    let isWhole = false;
    while (!isWhole && performance.now() - begun < READ_MS) {
      isWhole = this.#counter.read(this.#options.onCount);
    }
    this.#walkMs += performance.now() - begun;
    if (!isWhole) return;
    this.#readAt = now + BigInt(Math.round(pauseAfter(this.#walkMs, COUNT_READ_REST) * 1e6));
    this.#walkMs = 0;
  }

  /**
   * Stops counting, unless another process is to go on, and hands on all that has changed; then it
   * resolves. The kernel takes
   * 10 to 25 ms for each link to detach, which goes on without anybody waiting for it: the
   * process ends after that, or, where it is ended, the kernel does the same for it.
   */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    // Whoever started it has its failure.
    await this.#loading.catch(() => undefined);
    const counter = this.#counter;
    if (counter === null) return;
    await counter.end();
    await this.#starting.catch(() => undefined);
    counter.readAll(this.#options.onCount);
    this.#packets = counter.tallies().packets;
    this.losses();
    this.#isFinal = true;
    counter.close().catch((error: unknown) => {
      this.#options.onWarning(`detaching the counter: ${String(error)}`);
    });
  }

  async #start(known: Promise<KnownNamespace[] | null>): Promise<void> {
    await this.#loading;
    await this.#follow(await known);
  }

  async #open(): Promise<void> {
    try {
      this.#counter = await Counter.open({
        objects: this.#options.objects,
        epoch: this.#options.epoch,
        store: this.#options.store ?? null,
      });
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      this.#noCounter = `flows are not counted in the kernel: ${error.operation}: ${error.code}`;
    }
  }

  /** The devices of all namespaces; null when they could not be asked for. */
  async #knownDevices(): Promise<KnownNamespace[] | null> {
    try {
      return await readDevices(this.#options.namespaces(), this.#own, () => this.#isStopping);
    } catch (error) {
      this.#options.onWarning(`looking for devices: ${String(error)}`);
      return null;
    }
  }

  #next(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (!this.#isStopping) this.#timer = setTimeout(() => void this.#follow(), ms);
  }

  async #follow(given?: KnownNamespace[] | null): Promise<void> {
    if (this.#counter === null || this.#isFollowing || this.#isStopping) return;
    this.#isFollowing = true;
    const begun = performance.now();
    try {
      const known = given === undefined ? await this.#knownDevices() : given;
      if (known !== null && !this.#isStopping) await this.#counter.countOn(countedDevices(known));
    } catch (error) {
      this.#options.onWarning(`counting on devices: ${String(error)}`);
    } finally {
      this.#isFollowing = false;
      // Without a change too: a device may come to a namespace that is known.
      const pause = pauseAfter(performance.now() - begun, READING_REST);
      this.#next(this.#isDueSoon ? SOON_MS : pause);
      this.#isDueSoon = false;
    }
  }
}
