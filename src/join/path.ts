import type { Hop } from './hop.js';
import type { Received } from './relays.js';
import type { Sealed } from './sealed.js';
import type { Tuple } from './tuple.js';

/** What no hop rewrites: tells a packet from the next one in the same buffer. */
export interface Invariants {
  family: number;
  protocol: number;
  ipId: number;
  tcpSeq: number;
  payloadLength: number;
  icmpType: number;
  icmpSeq: number;
  fragment: boolean;
  /** Of a piece that is not the first: no transport header is in it. */
  laterPiece: boolean;
  isArp: boolean;
  arpOp: number;
  arpSenderIp: number;
  arpTargetIp: number;
}

/** How a path came by its first hops. */
export const ORIGIN_FIRST_SEEN = 0;
/** A clone: it shares the hops before the copy with the path it branched from. */
export const ORIGIN_CLONE = 1;
/** A segment cut from a super-packet. */
export const ORIGIN_SEGMENT = 2;
/** A fragment after the first. */
export const ORIGIN_FRAGMENT = 3;

const NO_TUPLES: readonly Tuple[] = [];

/** One packet's hops in order. */
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
  hops: Hop[] = [];
  /** The path that it was merged into on the way up; that one's end is its own. */
  mergedInto: Path | null = null;
  /** What its buffer held when it was last seen encrypted; null when it can be read. */
  sealed: Sealed | null = null;
  /** How many of the hops it took over from the path it branched from. */
  inherited = 0;
  /** Time of the newest record about it, hop or end. */
  lastTime = 0;
  /** Set by a drop, a delivery or the buffer's release; no hop follows. */
  ended = false;
  delivered = false;
  /** A socket was seen taking it: it has its deliver hop. */
  received = false;
  /** The kernel let the buffer go, and not as a drop. */
  freed = false;
  dropped = false;
  /** Hops refused because the path had too many. */
  hopsCut = 0;
  /** Whether a hop is known to be missing between two seen. */
  gap = false;
  /** Whether the capture filter has accepted it. */
  matched = false;

  family = 0;
  protocol = -1;
  ipId = -1;
  tcpSeq = 0;
  tcpAck = 0;
  tcpFlags = -1;
  tcpWindow = -1;
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
  laterPiece = false;
  /** How many hops it had when it was first seen in pieces; -1 while whole. */
  fragmentedAt = -1;
  /** Keys in the joiner's indices of packets that pieces are cut from. */
  fragmentKey: string | null = null;
  superTuples: readonly Tuple[] = NO_TUPLES;
  dontFragment = false;
  isArp = false;
  arpOp = -1;
  arpSenderIp = 0;
  arpTargetIp = 0;
  /** Bytes of the innermost IP packet as first seen. */
  ipLength = 0;
  /** Of a connection's first packet: the connection for whose sake a process opened it. */
  openedFor: Received | null = null;
  /** For an ICMP error: the tuple of the packet it complains about. */
  about: Tuple | null = null;
  malformed = 0;
  truncated = false;

  constructor(skb: number) {
    this.skb = skb;
  }

  get last(): Hop | undefined {
    return this.hops[this.hops.length - 1];
  }
}
