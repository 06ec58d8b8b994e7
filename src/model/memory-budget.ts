const MIB = 1 << 20;

/** Resident memory that hopscope may take, all its processes together, unless it is said otherwise. */
export const MEMORY_DEFAULT = 512 * MIB;
/** With less the processes alone, with nothing in their tables, leave no room. */
export const MEMORY_LEAST = 384 * MIB;

/** A table's rows are numbered with 31 bits, two numbers a tuple. */
export const MEMORY_MOST = 2 ** 36;

/**
 * The process that watches, with nothing in its tables: 60 MB of Node and hopscope's code; 33 of
 * V8's space for what is new, which it fills whatever is kept; some 47 that V8 lets its heap
 * grow to before it collects; and 6 of ways that packets went (join/trail-templates.ts). Measured
 * under load, test/bench/overrun-child.mjs: runs of the same load differ by 30.
 */
const COLLECTOR_BASE = 146 * MIB;
/**
 * The process that observes: Node, hopscope's code, and the kernel's types while programs load. It
 * has no tables.
 */
export const OBSERVER_BASE = 100 * MIB;
/** The same for the process that serves, whose new space is SERVER_YOUNG_MIB. */
const SERVER_BASE = 78 * MIB;
/** Ids of flows that went, for readers; see flow/change-log.ts. */
const CHANGE_LOG = MIB;
/** The ring is a power of two; the kernel's own limit of it is source/tracer-object.ts. */
const RING_MOST = 32 * MIB;
const RING_SHARE = 24;

/** Of 100, what is left after the above. Flows have what these leave. */
const SHARES = {
  recentPaths: 5,
  recordQueue: 8,
  openPaths: 14,
  tuples: 4,
  rows: 7,
  /** V8 collects garbage when it is worth it, and arrays that grow are there twice for a moment. */
  slack: 24,
} as const;
/** Past these a part has no use for more: flows have the rest. */
const MOST = {
  recentPaths: 48 * MIB,
  recordQueue: 64 * MIB,
  openPaths: 96 * MIB,
  tuples: 32 * MIB,
  rows: 128 * MIB,
  slack: 128 * MIB,
} as const;

/** Bytes that each part of hopscope may take; together they are `total`. */
export interface MemoryBudget {
  readonly total: number;
  /** What the processes take before there is anything to keep. */
  readonly base: number;
  /** The kernel's ring, which is mapped. */
  readonly ring: number;
  /** Records that wait for their time. */
  readonly recordQueue: number;
  /** Packets under way. */
  readonly openPaths: number;
  /** Addresses and ports that packets had lately, as objects. */
  readonly tuples: number;
  /** Finished paths kept for display. */
  readonly recentPaths: number;
  readonly flows: number;
  /** Ids of flows that have gone. */
  readonly changeLog: number;
  /** Rows that the process that serves holds. */
  readonly rows: number;
  /** What nothing may fill: garbage not collected yet, arrays that are being moved. */
  readonly slack: number;
}

/** Of V8's heap limit, what may be filled: near it V8 does little but collect garbage. */
const HEAP_SHARE = 0.9;
/** Of the base, what is not in the heap of the process that watches. */
const OUTSIDE_HEAP = OBSERVER_BASE + 128 * MIB;

/**
 * How much of `total` can be used where V8 ends the process at `heapLimit`: nearly all that is
 * kept may be objects, when every flow was traced.
 */
export function withinHeap(total: number, heapLimit: number): number {
  return Math.min(total, Math.floor(heapLimit * HEAP_SHARE) + OUTSIDE_HEAP);
}

/** The heap limit that leaves all of `total` to be used, MiB, as --max-old-space-size has it. */
export function heapMibFor(total: number): number {
  return Math.ceil((total - OUTSIDE_HEAP) / HEAP_SHARE / MIB);
}

/** The one place where memory is shared out. @param total bytes, at least MEMORY_LEAST */
export function shareOut(total: number = MEMORY_DEFAULT): MemoryBudget {
  const base = OBSERVER_BASE + COLLECTOR_BASE + SERVER_BASE;
  const ring = Math.min(RING_MOST, 2 ** Math.floor(Math.log2(total / RING_SHARE)));
  const left = Math.max(0, total - base - ring - CHANGE_LOG);
  const share = (part: keyof typeof SHARES): number =>
    Math.min(MOST[part], Math.floor((left * SHARES[part]) / 100));
  const recentPaths = share('recentPaths');
  const recordQueue = share('recordQueue');
  const openPaths = share('openPaths');
  const tuples = share('tuples');
  const rows = share('rows');
  const slack = share('slack');
  const flows = left - recentPaths - recordQueue - openPaths - tuples - rows - slack;
  return {
    ...{ total, base, ring, recordQueue, openPaths, tuples, recentPaths, flows },
    ...{ changeLog: CHANGE_LOG, rows, slack },
  };
}
