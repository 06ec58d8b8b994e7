import type { BpfMap } from 'ebpf-ts';
import {
  COUNTER_BYTES,
  COUNTER_FILTERED,
  COUNTER_LOST_DROP,
  COUNTER_LOST_EVENT,
  COUNTER_LOST_NESTED,
  COUNTER_LOST_RING,
  COUNTER_MARKS_EVICTED,
  COUNTER_OWN,
  COUNTER_PASSED,
  COUNTER_PAST_SHARE,
  COUNTER_TRAILS,
} from '../wire/layout.gen.js';
import type { HandedOver } from './source.js';

/**
 * Runs of programs that the kernel left out: an interrupt came while the same program was at work
 * on that CPU (kernel/trace/bpf_trace.c, __bpf_trace_run; kernel/bpf/trampoline.c).
 */
export interface MissedRuns {
  /** Of programs that see a hop or an event: it is lost. */
  readonly hops: bigint;
  /** Of the one that sees the end of a packet. */
  readonly ends: bigint;
}

export const NONE_MISSED: MissedRuns = { hops: 0n, ends: 0n };

export function sumOfMissed(a: MissedRuns, b: MissedRuns): MissedRuns {
  return { hops: a.hops + b.hops, ends: a.ends + b.ends };
}

/** What the tracer's programs counted of their own doing. */
export interface KernelCounts {
  readonly losses: Readonly<Record<string, bigint>>;
  /** Ends of packets that were not seen: their trails wait for the next flush, and nothing is lost. */
  readonly endsMissed: bigint;
  /** Drops between windows that are left out on purpose, too many being alike. */
  readonly dropsAlike: bigint;
  /** Hops of flows that had their share of a window that was asked for. */
  readonly pastShare: bigint;
  readonly handed: HandedOver;
  /** Records left out because they were hopscope's own traffic. */
  readonly own: bigint;
  /** Hops that the filter left out. */
  readonly filtered: bigint;
  /** Packets no longer known to match, without room for them: what follows of them may be left out. */
  readonly marksEvicted: bigint;
}

/**
 * @param of a counter of bpf/wire.h by its index
 * @param missed runs that the kernel left out since the program was already on that CPU
 */
export function kernelCounts(of: (index: number) => bigint, missed: MissedRuns): KernelCounts {
  return {
    losses: {
      'ring-full-hops': of(COUNTER_LOST_RING),
      'ring-full-events': of(COUNTER_LOST_EVENT),
      'slot-busy': of(COUNTER_LOST_NESTED),
      'program-recursion': missed.hops,
    },
    endsMissed: missed.ends,
    dropsAlike: of(COUNTER_LOST_DROP),
    pastShare: of(COUNTER_PAST_SHARE),
    handed: { records: of(COUNTER_TRAILS), hops: of(COUNTER_PASSED), bytes: of(COUNTER_BYTES) },
    own: of(COUNTER_OWN),
    filtered: of(COUNTER_FILTERED),
    marksEvicted: of(COUNTER_MARKS_EVICTED),
  };
}

interface Counted {
  map(name: 'counters'): BpfMap | undefined;
  missedRuns(): MissedRuns;
}

/** What a tracer has counted so far; nothing when there is none. */
export function countsOf(tracer: Counted | null): KernelCounts {
  const map = tracer?.map('counters');
  const missed = tracer?.missedRuns() ?? NONE_MISSED;
  return kernelCounts((index) => (map ? sumOfCpus(map, index) : 0n), missed);
}

/** What was read this long ago is read again, ms. */
const FRESH_MS = 5;

/** Reads all counts at once: each is asked for by itself, and takes thirty system calls. */
export class CountReader {
  readonly #read: () => KernelCounts;
  readonly #now: () => number;
  #counts: KernelCounts | null = null;
  #at = Number.NEGATIVE_INFINITY;

  /** @param now a clock, ms */
  constructor(read: () => KernelCounts, now = () => performance.now()) {
    this.#read = read;
    this.#now = now;
  }

  newest(): KernelCounts {
    const now = this.#now();
    if (this.#counts === null || now - this.#at > FRESH_MS) {
      this.#counts = this.#read();
      this.#at = now;
    }
    return this.#counts;
  }

  /** Reads for the last time: they stay as they are. */
  end(): void {
    this.#counts = this.#read();
    this.#at = Number.POSITIVE_INFINITY;
  }
}

/** The u64 at `index` of a per-CPU array, summed over the CPUs. */
export function sumOfCpus(map: BpfMap, index: number): bigint {
  const values = map.get(new Uint8Array(Uint32Array.of(index).buffer));
  if (values === null) return 0n;
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  let sum = 0n;
  for (let at = 0; at + 8 <= values.byteLength; at += 8) sum += view.getBigUint64(at, true);
  return sum;
}
