import type { Device } from '../join/device-table.js';
import type { Outer } from '../join/outer.js';
import type { Path } from '../join/path.js';
import type { Tuple } from '../join/tuple.js';
import type { PathVerdict } from '../model/records.js';
import { Histogram } from './histogram.js';

/** Places in one direction of a flow that are told apart. */
export const LEG_LIMIT = 128;
/** Connections that one was the cause of and that are remembered, the newest. */
export const PROXIED_LIMIT = 32;
export const ORIGINAL = 0;
export const REPLY = 1;
export type DirectionIndex = typeof ORIGINAL | typeof REPLY;

/** What one direction's packets did at one place. Netfilter priorities of a hook are one leg. */
export class Leg {
  readonly key: number;
  readonly device: Device;
  readonly stage: number;
  readonly hook: number;
  packets = 0;
  bytes = 0;
  /** Nanoseconds since the leg before; null on a first leg. */
  latency: Histogram | null = null;
  /** The tunnel seen around its newest packet. */
  outer: Outer | null = null;

  constructor(key: number, device: Device, stage: number, hook: number) {
    this.key = key;
    this.device = device;
    this.stage = stage;
    this.hook = hook;
  }
}

/** One direction of a flow. */
export class FlowDirection {
  packets = 0;
  bytes = 0;
  drops = 0;
  legs: Leg[] = [];
  legsRefused = 0;
  /** First hop to last, nanoseconds. */
  readonly latency = new Histogram();
  /** Where its packets were first seen, and where they were delivered. */
  first: Device | null = null;
  last: Device | null = null;
}

/** A finished path with what was made of it. */
export interface FinishedPath {
  readonly path: Path;
  readonly verdict: PathVerdict;
  readonly flow: Flow | null;
  readonly direction: DirectionIndex;
  /** Its place in RecentPaths; -1 when it has none. */
  slot: number;
}

export interface FlowEncapsulation {
  readonly type: number;
  readonly src: string;
  readonly dst: string;
  readonly vni: number;
  readonly overhead: number;
}

export type FlowState = 'new' | 'active' | 'closing' | 'closed';

/** One connection, both directions. Times: nanoseconds since the source's epoch. */
export class Flow {
  readonly id: string;
  readonly start: number;
  last: number;
  state: FlowState = 'new';
  original: Tuple;
  reply: Tuple | null = null;
  /** How surely `original` and `reply` are what their sources send: START_* of path-start.ts. */
  originalStart = 0;
  replyStart = 0;
  readonly icmpType: number;
  readonly icmpCode: number;
  readonly directions: readonly [FlowDirection, FlowDirection] = [
    new FlowDirection(),
    new FlowDirection(),
  ];
  readonly reasons = new Map<number, number>();
  readonly encapsulations: FlowEncapsulation[] = [];
  /** Paths seen with all their hops, and those with hops known to be missing. */
  paths = 0;
  lost = 0;
  pathMtu = 0;
  largest = 0;
  fragmentsSeen = false;
  icmpTooBigSeen = false;
  tooBigDropped = false;
  finSeen = 0;
  /** Ids of the flow that a proxy opened this one for, and of those it opened for this one. */
  proxiedFrom: string | null = null;
  readonly proxiedTo: string[] = [];
  lastVerdict: PathVerdict = 'unknown';
  /** Newest last; see recent-paths.ts. */
  readonly recent: FinishedPath[] = [];
  /** Grows with every change of any flow. */
  version = 0;
  /** What the dashboard's feed knows of it; see serve/row-feed.ts. */
  shown = 0;
  /** Neighbours in the order of change. */
  older: Flow | null = null;
  newer: Flow | null = null;
  readonly keys: { readonly tuple: Tuple; readonly netns: number }[] = [];

  constructor(id: string, original: Tuple, start: number, icmpType: number, icmpCode: number) {
    this.id = id;
    this.original = original;
    this.start = start;
    this.last = start;
    this.icmpType = icmpType;
    this.icmpCode = icmpCode;
  }
}
