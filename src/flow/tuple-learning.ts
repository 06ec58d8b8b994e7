import type { PathVerdict } from 'hopscope-protocol';
import { type Conntrack, CT_UNTRACKED } from '../join/conntrack.js';
import { answers } from '../join/direction.js';
import type { Headers } from '../join/headers.js';
import type { HopColumns } from '../join/hop-columns.js';
import { nextOwnConntrack } from '../join/own-conntrack.js';
import type { Path } from '../join/path.js';
import type { Place } from '../join/place.js';
import type { Tuple } from '../join/tuple.js';
import type { TupleTable } from '../join/tuple-table.js';
import type { Bindings } from './bindings.js';
import { type DirectionIndex, ORIGINAL, REPLY } from './direction-index.js';
import { beganTogether, findElsewhere } from './elsewhere.js';
import type { Flow } from './flow.js';
import type { FlowCounters } from './flow-counters.js';
import type { Merging } from './merging.js';
import { isStartSeen, pathStart, START_SOCKET, START_UNKNOWN } from './path-start.js';
import type { Traced } from './traced.js';

/** Learns from paths by which tuples a flow is found, and what its two ends call each other. */
export class TupleLearning {
  readonly #tuples: TupleTable;
  readonly #bindings: Bindings;
  readonly #merging: Merging;
  readonly #counters: FlowCounters;

  constructor(tuples: TupleTable, bindings: Bindings, merging: Merging, counters: FlowCounters) {
    this.#tuples = tuples;
    this.#bindings = bindings;
    this.#merging = merging;
    this.#counters = counters;
  }

  /** A packet of the flow has this tuple in this namespace. */
  bind(flow: Flow, direction: DirectionIndex, tuple: Tuple, netns: number, path: Path): void {
    const row = this.#bindings.find(tuple, netns);
    if (row >= 0) {
      const other = this.#bindings.flow(row);
      if (other.traced === null && !other.is(flow)) {
        this.#mergeCounted(flow, direction, other, this.#bindings.direction(row, tuple), path);
      }
      return;
    }
    if (!this.#bindings.add(flow, tuple, netns, direction)) {
      this.#counters.keysRefused += 1;
      return;
    }
    const isSame = (other: Flow): boolean => other.isPartial && beganTogether(flow, other);
    const elsewhere = findElsewhere(this.#bindings, tuple, flow, isSame);
    if (elsewhere >= 0) {
      const isTurned = this.#bindings.direction(elsewhere, tuple) !== direction;
      this.#merging.absorb(flow, this.#bindings.flow(elsewhere), isTurned);
    }
  }

  /** What the ends call each other, as a path of the flow shows it. */
  learn(
    flow: Flow,
    traced: Traced,
    direction: DirectionIndex,
    path: Path,
    verdict: PathVerdict,
  ): void {
    const { headers, length } = path.columns;
    const first = (headers[0] as Headers).tuple;
    const last = (headers[length - 1] as Headers).tuple;
    if (!flow.proven && answers(path) !== null) {
      flow.prove();
    }
    if (!isStartSeen(path) && direction === ORIGINAL && isSamePair(flow.original, first)) {
      this.#learnTranslated(flow, path);
    }
    if (flow.icmpType < 0 && path.icmpType >= 0) {
      flow.setIcmp(path.icmpType, path.icmpCode);
    }
    if (first !== null && last !== null) {
      const start = pathStart(path);
      const opposite = direction === ORIGINAL ? REPLY : ORIGINAL;
      if (start > traced.starts[direction]) {
        traced.starts[direction] = start;
        this.#name(flow, direction, first);
      }
      const isOpen =
        direction === ORIGINAL
          ? traced.starts[REPLY] < START_SOCKET
          : traced.starts[ORIGINAL] === START_UNKNOWN;
      if (verdict === 'delivered' && isOpen) {
        this.#nameReversed(flow, opposite, last);
      }
    }
    flow.learnReply(conntrackReply(path, direction));
  }

  /** A flow that was only seen after its translation: conntrack has what its source sends. */
  #learnTranslated(flow: Flow, path: Path): void {
    const entry = firstConntrack(path);
    if (entry !== null) {
      flow.original = entry.original;
      this.bind(flow, ORIGINAL, entry.original, entry.netns, path);
    }
  }

  #name(flow: Flow, direction: DirectionIndex, tuple: Tuple): void {
    if (direction === ORIGINAL) {
      flow.original = tuple;
    } else {
      flow.reply = tuple;
    }
  }

  #nameReversed(flow: Flow, direction: DirectionIndex, tuple: Tuple): void {
    const known = direction === ORIGINAL ? flow.original : flow.reply;
    if (known === null || !known.reverses(tuple)) {
      this.#name(flow, direction, tuple.reversed(this.#tuples));
    }
  }

  /** A flow that was counted by a tuple of this path's, and never traced, is this flow. */
  #mergeCounted(
    flow: Flow,
    direction: DirectionIndex,
    other: Flow,
    otherDirection: DirectionIndex,
    path: Path,
  ): void {
    const named =
      otherDirection === ORIGINAL
        ? other.original
        : (other.reply ?? this.#tuples.briefReversed(other.original));
    // Unless it says of itself that it comes from elsewhere: then it had the tuple before.
    const { headers } = path.columns;
    if (headers.some(({ tuple }, i) => i < path.length && tuple?.equals(named) === true)) {
      this.#merging.absorb(flow, other, direction !== otherDirection);
    }
  }
}

/** The original tuple of a connection first seen by an answer. */
export function conntrackOriginal(path: Path, tuples: TupleTable): Tuple {
  const { columns } = path;
  let original: Tuple | null = null;
  // The last node on the way is nearest to who began it.
  for (let i = nextOwnConntrack(columns, 0); i >= 0; i = nextOwnConntrack(columns, i + 1)) {
    original = (columns.ct[i] as Conntrack).original ?? original;
  }
  return original ?? lastTuple(columns).reversed(tuples);
}

/** The tuple of the last hop whose headers could be read. */
function lastTuple({ headers, length }: HopColumns): Tuple {
  let last = length - 1;
  while (last > 0 && (headers[last] as Headers).tuple === null) {
    last -= 1;
  }
  return headers[last]?.tuple as Tuple;
}

function isSamePair(a: Tuple, b: Tuple | null): boolean {
  return b !== null && (a.equals(b) || a.reverses(b));
}

/** The original tuple that the first node on the way knows, and where; null without an entry. */
export function firstConntrack(path: Path): { original: Tuple; netns: number } | null {
  const { columns } = path;
  for (let i = nextOwnConntrack(columns, 0); i >= 0; i = nextOwnConntrack(columns, i + 1)) {
    const { original, info } = columns.ct[i] as Conntrack;
    if (original !== null && info !== CT_UNTRACKED) {
      return { original, netns: (columns.place[i] as Place).device.netns };
    }
  }
  return null;
}

/** What an answer will look like when it leaves, according to the last node on the way. */
function conntrackReply(path: Path, direction: DirectionIndex): Tuple | null {
  const { columns } = path;
  let reply: Tuple | null = null;
  for (let i = nextOwnConntrack(columns, 0); i >= 0; i = nextOwnConntrack(columns, i + 1)) {
    const seen = (columns.ct[i] as Conntrack).reply;
    if (seen !== null) {
      reply = direction === ORIGINAL ? seen : (reply ?? seen);
    }
  }
  return reply;
}
