import type { Conntrack } from './conntrack.js';
import type { Encrypted } from './encrypted.js';
import type { Headers } from './headers.js';
import type { Hop } from './hop.js';
import type { HopColumns } from './hop-columns.js';
import type { Invariants } from './identity.js';
import type { Place } from './place.js';
import type { Received } from './proxy-linker.js';
import type { Tuple } from './tuple.js';

/** How a path came by its first hops. */
export const ORIGIN_FIRST_SEEN = 0;
/** A clone: it shares the hops before the copy with the path it branched from. */
export const ORIGIN_CLONE = 1;
/** A segment cut from a GSO packet. */
export const ORIGIN_SEGMENT = 2;
/** A fragment after the first. */
export const ORIGIN_FRAGMENT = 3;

const NO_TUPLES: readonly Tuple[] = [];
const NO_KEYS: readonly string[] = [];

/** Bits of `Path.cutByWindow`: hops before the first one seen may be missing. */
export const CUT_START = 1;
/** Hops after it was last seen as a whole, or its end, may be missing. */
export const CUT_END = 2;

/** One packet's hops in order, and what is known of the packet as a whole. */
export class Path implements Invariants {
  /** Address of the buffer it is in now, low 48 bits; likewise `head`, its data. */
  skb: number;
  head = 0;
  origin = ORIGIN_FIRST_SEEN;
  /** The path it branched from, and how many branched from it. */
  parent: Path | null = null;
  children = 0;
  /** Key in the joiner's index of copies, 0 for none. */
  identity = 0;
  readonly columns: HopColumns;
  /** Put to the account of the open paths, while it is one. */
  bytes = 0;
  /** The path that it was merged into on the way up; that one's end is its own. */
  mergedInto: Path | null = null;
  /** Whether others were merged into it. */
  hasMerged = false;
  /** What its buffer held when it was last seen encrypted; null when it can be read. */
  encrypted: Encrypted | null = null;
  /** What conntrack said last, also before hops without an entry. */
  lastEntry: Conntrack | null = null;
  /** How many of the hops it took over from the path it branched from. */
  inherited = 0;
  /** Since when it is in its buffer, and the packet that had the buffer before. */
  begun = 0;
  earlier: Path | null = null;
  /** How many packets it has been the path of, and `earlier` when that was noted. */
  serial = 1;
  earlierSerial = 0;
  /** Time of the newest record about it, hop or end. */
  lastTime = 0;
  /** When it ended first; what began before that may be a copy of it. */
  endTime = Number.POSITIVE_INFINITY;
  /** Set by a drop, a delivery or the buffer's release; no hop follows. */
  ended = false;
  delivered = false;
  /** A socket was seen taking it: it has its deliver hop. */
  received = false;
  /** The kernel released the buffer, and not as a drop. */
  freed = false;
  /** Whether of each netfilter hook only the first and the last place were observed. */
  atEdges = false;
  dropped = false;
  /** Whether a socket sent it from where it was first seen. */
  fromSocket = false;
  /** Hops refused because the path had too many. */
  hopsCut = 0;
  /** Whether a hop is known to be missing between two seen. */
  gap = false;
  /** CUT_*: the source did not see everything all the time it was under way. */
  cutByWindow = 0;
  /** It began while packets of new flows alone were seen: its end may be left out. */
  amongNew = false;
  /** Whether the capture filter has accepted it. */
  matched = false;

  family = 0;
  protocol = -1;
  ipId = -1;
  tcpSeq = 0;
  tcpAck = 0;
  tcpFlags = -1;
  tcpWindow = -1;
  /** Of a SYN, as it was first seen. */
  tcpMss = -1;
  tcpWindowScale = -1;
  payloadLength = 0;
  /** From the IP header to the payload, bytes. */
  headerLength = 0;
  icmpType = -1;
  icmpCode = -1;
  icmpSeq = -1;
  icmpMtu = -1;
  fragment = false;
  laterFragment = false;
  /** How many hops it had when it was first seen in fragments; -1 while whole. */
  fragmentedAt = -1;
  /** Keys in the joiner's indices of packets that fragments and segments are cut from. */
  fragmentKeys: readonly string[] = NO_KEYS;
  gsoTuples: readonly Tuple[] = NO_TUPLES;
  /** Since when it is a GSO packet, ns. */
  gsoTime = Number.POSITIVE_INFINITY;
  dontFragment = false;
  isArp = false;
  arpOp = -1;
  arpSenderIp = 0;
  arpTargetIp = 0;
  /** Bytes of the innermost IP packet as first seen. */
  ipLength = 0;
  /** Of a connection's first packet: the connection for which a process opened it. */
  openedFor: Received | null = null;
  /** For an ICMP error: the tuple of the packet it quotes, as it was first seen and last. */
  quoted: Tuple | null = null;
  quotedAtEnd: Tuple | null = null;
  malformed = 0;
  truncated = false;

  /** Neighbours among the open paths, in the order they began. */
  isOpen = false;
  older: Path | null = null;
  newer: Path | null = null;
  /** When the joiner looks at it next, in ticks of its wheel. */
  dueTick = Number.POSITIVE_INFINITY;

  constructor(skb: number, columns: HopColumns) {
    this.skb = skb;
    this.columns = columns;
  }

  /**
   * Makes it the path of another packet: as if new, but for its columns, which are cleared. An
   * object for each packet that is young when V8 collects garbage was a fifth of all work.
   */
  reset(skb: number): this {
    this.skb = skb;
    this.serial += 1;
    this.columns.clear();
    this.head = 0;
    this.origin = ORIGIN_FIRST_SEEN;
    this.parent = null;
    this.children = 0;
    this.identity = 0;
    this.bytes = 0;
    this.mergedInto = null;
    this.hasMerged = false;
    this.encrypted = null;
    this.lastEntry = null;
    this.inherited = 0;
    this.begun = 0;
    this.earlier = null;
    this.earlierSerial = 0;
    this.lastTime = 0;
    this.endTime = Number.POSITIVE_INFINITY;
    this.ended = false;
    this.delivered = false;
    this.received = false;
    this.freed = false;
    this.atEdges = false;
    this.dropped = false;
    this.fromSocket = false;
    this.hopsCut = 0;
    this.gap = false;
    this.cutByWindow = 0;
    this.amongNew = false;
    this.matched = false;
    this.family = 0;
    this.protocol = -1;
    this.ipId = -1;
    this.tcpSeq = 0;
    this.tcpAck = 0;
    this.tcpFlags = -1;
    this.tcpWindow = -1;
    this.tcpMss = -1;
    this.tcpWindowScale = -1;
    this.payloadLength = 0;
    this.headerLength = 0;
    this.icmpType = -1;
    this.icmpCode = -1;
    this.icmpSeq = -1;
    this.icmpMtu = -1;
    this.fragment = false;
    this.laterFragment = false;
    this.fragmentedAt = -1;
    this.fragmentKeys = NO_KEYS;
    this.gsoTuples = NO_TUPLES;
    this.gsoTime = Number.POSITIVE_INFINITY;
    this.dontFragment = false;
    this.isArp = false;
    this.arpOp = -1;
    this.arpSenderIp = 0;
    this.arpTargetIp = 0;
    this.ipLength = 0;
    this.openedFor = null;
    this.quoted = null;
    this.quotedAtEnd = null;
    this.malformed = 0;
    this.truncated = false;
    this.isOpen = false;
    this.older = null;
    this.newer = null;
    this.dueTick = Number.POSITIVE_INFINITY;
    return this;
  }

  /** The hops as objects, made anew at each call: for readers, not for the joiner. */
  get hops(): Hop[] {
    return this.columns.toArray();
  }

  get length(): number {
    return this.columns.length;
  }

  /** The first hop as an object. */
  get first(): Hop | undefined {
    return this.columns.length === 0 ? undefined : this.columns.at(0);
  }

  /** The last hop as an object. */
  get last(): Hop | undefined {
    return this.columns.length === 0 ? undefined : this.columns.at(this.columns.length - 1);
  }

  /** Whether its end came before `time`: another CPU may have seen hops from before it. */
  isOverAt(time: number): boolean {
    return this.ended && this.endTime <= time;
  }

  get lastPlace(): Place | null {
    return this.columns.place[this.columns.length - 1] ?? null;
  }

  get lastHeaders(): Headers | null {
    return this.columns.headers[this.columns.length - 1] ?? null;
  }
}
