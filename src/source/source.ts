import type { SamplingRecord, Seen } from 'hopscope-protocol';
import type { ConfiguredMtu } from '../mtu/configured-mtu.js';
import type { Catalog } from '../name/catalog.js';
import type { NameChange } from '../name/cluster-names.js';
import type { RulesNews } from '../rules/rule-text.js';
import type { CountCursor } from '../wire/count-cursor.js';
import type { HookDetail } from './hook-places.js';

/** What takes a source's output. Nothing borrowed may be kept after the call. */
export interface SourceSink {
  /** Framed records (see wire/record-cursor.ts); borrowed. */
  batch(records: Uint8Array, length: number): void;
  /**
   * Deals with some of what began before `now`, where that is much; false when the rest is for `tick`.
   * Between two calls others get their turn.
   *
   * @param relieve as for `tick`
   */
  advance?(now: bigint, relieve?: () => void): boolean;
  /**
   * Time has come this far: kernel monotonic nanoseconds.
   *
   * @param relieve gives the batches that have come meanwhile, of later times: call it from time
   *   to time where there is much to deal with
   */
  tick(now: bigint, relieve?: () => void): void;
  /**
   * From `at` on (kernel monotonic ns) so much is seen; of each netfilter hook every place, or
   * the edges. Comes after all ticks before `at` and before those after it.
   */
  window?(at: bigint, sees: Seen, detail: HookDetail): void;
  /**
   * From `at` on, in the same order, every place of each netfilter hook is seen, or the edges.
   * Which packets are stays as it was.
   */
  detail?(at: bigint, detail: HookDetail): void;
  /** What the kernel has counted of a flow on a device, all in all; borrowed. */
  count?(row: CountCursor): void;
  /** Rules of a namespace, as they are read again and again. */
  rules?(news: RulesNews): void;
  /**
   * Resolves when what came of the batches so far has been passed on, or after a moment in which it
   * was not: while more waits in the ring, a reader is not to be overrun.
   */
  passedOn?(): Promise<void>;
  /** Names have changed: these are all, but for those of a cluster. */
  catalog(catalog: Catalog): void;
  /** Names of a whole cluster have changed. */
  clusterNames?(change: NameChange): void;
  /** Nothing more will come. */
  end(): void;
}

/** What a source says of its sampling; how many packets that makes is counted elsewhere. */
export type SourceSampling = Omit<SamplingRecord, 'traced' | 'of'>;

/** Trails in the ring since the start, their hops and bytes. */
export interface HandedOver {
  readonly records: bigint;
  readonly hops: bigint;
  readonly bytes: bigint;
}

/** Where records come from: the kernel, or a recording of one. */
export interface Source {
  /** Kernel monotonic nanoseconds near the first record. */
  readonly epochNs: bigint;
  readonly catalog: Catalog;
  /** Records the kernel could not hand over, so far. */
  lost(): bigint;
  /** What `lost` is the sum of: one entry a cause, in the words of a metric's label. */
  losses(): Readonly<Record<string, bigint>>;
  /** What else was lost, and is no record of the tracer's, by cause. */
  otherLosses?(): Readonly<Record<string, bigint>>;
  /** What the kernel has handed over; absent where that is not counted. */
  handed?(): HandedOver;
  /** Hops of trails that a filter in the kernel left out; absent where there is none. */
  filtered?(): bigint;
  /** Records left out because they were hopscope's own traffic. */
  own(): bigint;
  /** Share of the ring that waits to be read, 0 to 1; absent or null where there is no ring. */
  ringFill?(): number | null;
  /** Function that holds an address of the kernel's text. */
  symbol(address: bigint): string | null;
  /** What this source cannot see, in words. */
  readonly missing: readonly string[];
  /** Packets that the kernel counted; null or absent where nothing counts. */
  counted?(): number | null;
  /** How it chooses what is seen; null or absent where it does not. */
  sampling?(): SourceSampling | null;
  /** Whether it traces some packets only, and all drops; absent: no. */
  readonly isThinned?: boolean;
  /** Seconds since the names that each provider gives were certain; null while they never were. */
  nameAges?(): Readonly<Record<string, number | null>>;
  /** What the newest audit of MTUs says; null before the first, absent where there is none. */
  readonly configuredMtu?: ConfiguredMtu | null;
  /** Says that a packet was met in a namespace, by its number: it may be one that is not known. */
  met?(netns: number): void;
  /** Whether `rules` is called; absent: no. */
  readonly hasRules?: boolean;
  /** Asks to see everything for a moment, at once: something is new, wrong or watched. */
  request?(): void;
  /** Begins; resolves when everything is attached. */
  start(sink: SourceSink): Promise<void>;
  stop(): Promise<void>;
}
