import type { PacketFilter } from '../filter/packet-filter.js';
import { decodeEthernet, decodeNetwork } from '../packet/decode.js';
import { DecodedPacket, OUTER_NONE, OUTER_WIREGUARD } from '../packet/decoded-packet.js';
import { PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP } from '../packet/proto.js';
import * as layout from '../wire/layout.gen.js';
import type { RecordCursor } from '../wire/record-cursor.js';
import { type Device, DeviceTable } from './device-table.js';
import { type Conntrack, Hop, NOTHING_RARE, type RareFields } from './hop.js';
import { identityKey, isSamePacket } from './identity.js';
import { linkAddressesOf } from './link-addresses.js';
import { markMerged } from './merged.js';
import { outerOf } from './outer.js';
import { ORIGIN_CLONE, ORIGIN_FIRST_SEEN, ORIGIN_FRAGMENT, ORIGIN_SEGMENT, Path } from './path.js';
import { PathByBuffer } from './path-by-buffer.js';
import { describePacket } from './path-packet.js';
import { type Actor, Relays } from './relays.js';
import { isIntoSeal, isSealedOf, seal, unseal, unsealsTo, wasSealedInto } from './sealed.js';
import { SuperPackets } from './super-packets.js';
import { PROTOCOL_ARP, type Tuple, TupleTable } from './tuple.js';

/** Packets that may be under way at once; one past it the oldest is closed early. */
export const OPEN_PATH_LIMIT = 131_072;
/** Hops kept of one packet; a routing loop makes more. */
export const HOP_LIMIT = 256;
/** After its end a packet is kept this long, for copies and late drops. */
const LINGER_NS = 20e6;
/** A packet handed to a socket layer is done when nothing is heard of it for this long. */
const SETTLE_INPUT_NS = 250e6;
/** A packet elsewhere may sit in a queue of a device. */
const SETTLE_NS = 1e9;

const HOOK_PREROUTING = 0;
const HOOK_INPUT = 1;
const HOOK_OUTPUT = 3;
const HOOK_POSTROUTING = 4;
const REASON_NO_SOCKET = 'NO_SOCKET';
/**
 * What a socket lets go of after it has taken the packet, and loses nothing by: its
 * queue when it closes, and segments that bring nothing new (net/ipv4/tcp_input.c).
 */
const USED_UP_REASONS: ReadonlySet<string> = new Set([
  'QUEUE_PURGE',
  'TCP_OLD_ACK',
  'TCP_OLD_DATA',
  'TCP_OFOMERGE',
]);
/**
 * Where what a closed socket still holds is let go (net/ipv4/af_inet.c, net/core/stream.c),
 * whatever the reason.
 */
const CLOSED_SOCKETS: ReadonlySet<string> = new Set([
  'inet_sock_destruct',
  'sk_stream_kill_queues',
]);
/**
 * Where the rest of a connection that is over is taken, and let go without a reason
 * (net/ipv4/tcp_ipv4.c, do_time_wait).
 */
const REASON_NONE = 'NOT_SPECIFIED';
const TCP_RECEIVERS: ReadonlySet<string> = new Set(['tcp_v4_rcv', 'tcp_v6_rcv']);
/**
 * Where ICMPv6 is done with a packet. Up to 6.1 at least it gives no reason for most that it
 * has taken, and one for those it refused (net/ipv6/icmp.c).
 */
const ICMPV6_RECEIVER = 'icmpv6_rcv';
/** What raw sockets refuse a clone with (net/ipv4/raw.c). */
const CLONE_REASONS: ReadonlySet<string> = new Set([
  'SOCKET_FILTER',
  'SOCKET_RCVBUFF',
  'XFRM_POLICY',
]);
const NO_CT = 0xff;
const TCP_FIN = 0x01;
const TCP_SYN = 0x02;
const TCP_RST = 0x04;
const TCP_ACK = 0x10;
const AF_INET = 2;
const AF_INET6 = 10;

export interface JoinCounters {
  /** Hops and ends joined. */
  events: number;
  /** Paths finished. */
  paths: number;
  /** Paths closed early because too many were open. */
  evicted: number;
  /** Hops refused because their path had too many. */
  hopsCut: number;
  /** Clones that a socket did not want, while the packet itself went on. */
  copiesRefused: number;
  /** Hops whose headers were malformed, by what was wrong (packet/packet-error.ts). */
  readonly malformed: Map<number, number>;
}

/**
 * Joins hops into paths. Pure: time comes with the records and with `sweep`.
 *
 * A packet is followed by the address of its buffer, checked at each hop against
 * what no hop rewrites. Clones are found by the data they share, copies by their
 * invariants, segments by their place in the stream, fragments by their IP id.
 */
export class PathJoiner {
  readonly devices = new DeviceTable();
  readonly tuples = new TupleTable();
  readonly relays = new Relays();
  readonly counters: JoinCounters = {
    events: 0,
    paths: 0,
    evicted: 0,
    hopsCut: 0,
    copiesRefused: 0,
    malformed: new Map(),
  };

  readonly #onPath: (path: Path) => void;
  readonly #filter: PacketFilter | null;
  readonly #limit: number;
  readonly #reasonName: (reason: number) => string;
  readonly #symbol: (address: bigint) => string | null;
  readonly #packet = new DecodedPacket();
  readonly #bySkb = new PathByBuffer();
  readonly #byHead = new Map<number, Path>();
  readonly #byIdentity = new Map<number, Path>();
  readonly #superPackets = new SuperPackets();
  readonly #fragmented = new Map<string, Path>();
  readonly #open: Path[] = [];

  constructor(
    onPath: (path: Path) => void,
    options: {
      filter?: PacketFilter | null;
      openPathLimit?: number;
      /** Name of a drop reason of the kernel that the records come from. */
      reasonName?: (reason: number) => string;
      /** Name of the function that holds an address of that kernel's text. */
      symbol?: (address: bigint) => string | null;
    } = {},
  ) {
    this.#reasonName = options.reasonName ?? String;
    this.#symbol = options.symbol ?? (() => null);
    this.#onPath = onPath;
    this.#filter = options.filter ?? null;
    this.#limit = options.openPathLimit ?? OPEN_PATH_LIMIT;
  }

  /** Super-packets that gave way to others of their stream before they came to an end. */
  get superPacketsRefused(): number {
    return this.#superPackets.refused;
  }

  get openPaths(): number {
    return this.#open.length;
  }

  /** Takes the record under the cursor. */
  add(record: RecordCursor): void {
    this.counters.events += 1;
    this.tuples.now = record.time;
    switch (record.type) {
      case layout.RECORD_HOP:
      case layout.RECORD_HOP_CT:
        this.#hop(record);
        break;
      case layout.RECORD_FREE:
        this.#freed(record);
        break;
      case layout.RECORD_DELIVER:
        this.#deliver(record);
        break;
      case layout.RECORD_CONNECT:
        this.relays.connect(
          record.connectSock,
          record.u32(layout.CONNECT_NETNS),
          actorOf(record, layout.CONNECT_OPENER),
        );
        break;
      default:
    }
  }

  /** Finishes the packets that nothing more can come of by `now` (source's epoch, ns). */
  sweep(now: number): void {
    const open = this.#open;
    let kept = 0;
    for (const path of open) {
      if (now - path.lastTime >= settleTime(path)) {
        this.#finish(path);
      } else {
        open[kept++] = path;
      }
    }
    open.length = kept;
  }

  /** Finishes everything: the source has ended. */
  flush(): void {
    this.sweep(Number.POSITIVE_INFINITY);
  }

  #hop(record: RecordCursor): void {
    const p = this.#packet;
    const stage = record.u8(layout.HOP_STAGE);
    const l3Offset = record.u16(layout.HOP_L3_OFFSET);
    const snap = record.offset + layout.HOP_SNAP;
    const snapLength = record.u16(layout.HOP_SNAP_LEN);
    const length = record.u32(layout.HOP_LEN);
    const linkHeader = l3Offset >= 14;
    if (linkHeader) {
      decodeEthernet(p, record.view, snap, snapLength, length);
    } else {
      decodeNetwork(p, record.view, snap, snapLength, record.u16(layout.HOP_PROTOCOL), length);
    }
    // At a drop the network header may point anywhere: that is nobody's fault.
    if (p.error !== 0 && stage !== layout.STAGE_DROP) {
      const { malformed } = this.counters;
      malformed.set(p.error, (malformed.get(p.error) ?? 0) + 1);
    }
    const device = this.devices.of(record);
    let path = this.#bySkb.get(record.skb);
    if (
      stage === layout.STAGE_DROP &&
      (this.#isReleaseOfPiece(record) || this.#isEndInSocket(record, path))
    ) {
      return;
    }
    const gsoSize = record.u16(layout.HOP_GSO_SIZE);
    if (path !== undefined && isMergedAt(path, p, stage, gsoSize)) {
      markMerged(this.#open, path, p, device);
    }
    if (
      path !== undefined &&
      stage === layout.STAGE_INGRESS &&
      unsealsTo(path, p, device, gsoSize)
    ) {
      this.#unseal(path, p, gsoSize);
    } else if (path === undefined || !continues(path, p, stage)) {
      path = this.#begin(record, p, stage, path);
    }
    path.lastTime = record.time;
    if (p.moreFragments && p.fragmentOffset === 0) {
      this.#addFragmented(path, p);
    }
    if (path.hops.length >= HOP_LIMIT) {
      path.hopsCut += 1;
      this.counters.hopsCut += 1;
      return;
    }
    const last = path.last;
    const hop = new Hop(device);
    hop.time = record.time;
    hop.stage = stage;
    hop.hook = record.u8(layout.HOP_HOOK);
    hop.priority = record.i32(layout.HOP_PRIORITY);
    hop.len = length;
    hop.mtu = device.mtu;
    hop.mark = record.u32(layout.HOP_MARK);
    hop.ttl = p.ttl;
    hop.ipId = p.ipId;
    hop.ipLength = p.family === 0 ? (last?.ipLength ?? 0) : p.ipLength;
    hop.tcpFlags = p.tcpFlags < 0 ? (last?.tcpFlags ?? path.tcpFlags) : p.tcpFlags;
    hop.rare = rareFields(record, p, stage);
    const opaque = p.outerType === OUTER_WIREGUARD;
    if (opaque) {
      path.sealed = seal(p, path.sealed, device);
    } else if (p.family !== 0 && stage !== layout.STAGE_DROP) {
      path.sealed = null;
    }
    if (opaque && last !== undefined && last.tuple !== null && isReadable(path)) {
      // The inner packet is encrypted here, but the buffer says whose it is.
      hop.tuple = last.tuple;
      hop.outer = outerOf(p, last.outer, device);
      hop.ttl = last.ttl;
      hop.ipId = last.ipId;
      hop.ipLength = last.ipLength;
    } else if (p.fragmentOffset > 0 && (last !== undefined || path.parent !== null)) {
      // Ports are in the first piece only.
      hop.tuple = (last ?? path.parent?.last)?.tuple ?? null;
      hop.outer = p.outerType === OUTER_NONE ? null : outerOf(p, last?.outer ?? null, device);
    } else if (p.family !== 0 || p.isArp) {
      hop.tuple = this.#tuple(p, last?.tuple ?? null);
      hop.outer =
        p.outerType === OUTER_NONE || opaque ? null : outerOf(p, last?.outer ?? null, device);
    } else {
      hop.tuple = last?.tuple ?? null;
    }
    if (linkHeader && p.hasMac) {
      hop.mac = linkAddressesOf(p, last?.mac ?? null, device);
    }
    const info = record.u8(layout.HOP_CT_INFO);
    if (info !== NO_CT) {
      hop.ct = this.#conntrack(record, info, last?.ct ?? null);
    }
    if (stage === layout.STAGE_DROP) {
      path.ended = true;
      path.dropped = true;
    }
    if (last !== undefined && isGap(last, hop)) {
      path.gap = true;
    }
    path.hops.push(hop);
    const head = record.head;
    if (path.head !== head) {
      if (this.#byHead.get(path.head) === path) {
        this.#byHead.delete(path.head);
      }
      path.head = head;
      this.#byHead.set(head, path);
    }
    if (hop.gsoSize > 0 && hop.tuple !== null && p.payloadLength > hop.gsoSize) {
      this.#superPackets.add(path, hop.tuple);
    }
    if (
      this.#filter !== null &&
      !path.matched &&
      this.#filter.matches(record.view, snap, snapLength, linkHeader, length, p)
    ) {
      path.matched = true;
    }
  }

  /** The first piece stands for the packet, the others branch from here. */
  #addFragmented(path: Path, p: DecodedPacket): void {
    if (path.fragmentedAt < 0) {
      path.fragmentedAt = path.hops.length;
    }
    // Put together, rewritten and cut again it has other addresses, and in IPv6 another id.
    const key = fragmentKey(p);
    if (path.fragmentKey !== key) {
      this.#forgetFragmented(path);
      path.fragmentKey = key;
      this.#fragmented.set(key, path);
    }
  }

  #forgetFragmented(path: Path): void {
    if (path.fragmentKey !== null && this.#fragmented.get(path.fragmentKey) === path) {
      this.#fragmented.delete(path.fragmentKey);
    }
  }

  /**
   * Fragments that were put together hang on the first of them and are let go with
   * it; the kernel tells of that as of drops (net/core/skbuff.c, skb_release_data).
   */
  #isReleaseOfPiece(record: RecordCursor): boolean {
    if (this.#symbol(record.location) !== 'skb_release_data') {
      return false;
    }
    this.#freed(record);
    return true;
  }

  #freed(record: RecordCursor): void {
    const path = this.#bySkb.get(record.skb);
    if (path !== undefined && !path.ended) {
      path.ended = true;
      path.freed = true;
      path.lastTime = record.time;
    }
  }

  /**
   * The kernel calls some ends in the socket layer drops though the packet, or the
   * one copy of it that counts, was taken: what a socket has used up, or never read
   * before it was closed; the end of a connection that is over already; a packet that
   * no socket but a raw one wanted, whose clone the raw one holds; and clones offered
   * to raw sockets in vain.
   */
  #isEndInSocket(record: RecordCursor, path: Path | undefined): boolean {
    const reason = this.#reasonName(record.u32(layout.HOP_REASON));
    const closed = CLOSED_SOCKETS.has(this.#symbol(record.location) ?? '');
    const usedUp = closed || USED_UP_REASONS.has(reason);
    const held = reason === REASON_NO_SOCKET && record.u32(layout.HOP_DATAREF) > 1;
    const over = reason === REASON_NONE && this.#isTakenWithoutReason(record);
    if (path === undefined || path.ended || !isSamePacket(path, this.#packet)) {
      if (path?.delivered === true && usedUp) {
        return true;
      }
      const original = this.#byHead.get(record.head);
      if (original === undefined || original.dropped || !isInput(original)) {
        // The packet itself was taken, and its path finished, long before.
        return closed;
      }
      // A raw socket may have read its clone already before the others were asked.
      const read = reason === REASON_NO_SOCKET && original.received;
      if (usedUp || ((held || read || over) && isSamePacket(original, this.#packet))) {
        take(original, record);
        return true;
      }
      if (!CLONE_REASONS.has(reason)) {
        return false;
      }
      this.counters.copiesRefused += 1;
      return true;
    }
    if (!(held || usedUp || over) || !isInput(path)) {
      return false;
    }
    take(path, record);
    return true;
  }

  /**
   * Whether a drop is how a connection in TIME_WAIT takes the other side's last segment, or
   * ICMPv6 a message.
   */
  #isTakenWithoutReason(record: RecordCursor): boolean {
    const p = this.#packet;
    const location = this.#symbol(record.location) ?? '';
    if (p.protocol === PROTO_ICMPV6) {
      return location === ICMPV6_RECEIVER;
    }
    return (
      p.protocol === PROTO_TCP &&
      p.payloadLength === 0 &&
      (p.tcpFlags & TCP_SYN) === 0 &&
      TCP_RECEIVERS.has(location)
    );
  }

  #begin(
    record: RecordCursor,
    p: DecodedPacket,
    stage: number,
    superseded: Path | undefined,
  ): Path {
    if (superseded !== undefined && !superseded.ended) {
      // Its buffer was given to another packet, so its own life is over.
      superseded.ended = true;
    }
    const parent = this.#copyOf(record, p, stage);
    if (parent !== null) {
      this.#bySkb.move(parent, record.skb);
      parent.ended = false;
      parent.freed = false;
      return parent;
    }
    const branch = this.#branchOf(record, p, stage);
    const path = new Path(record.skb);
    describePacket(path, p);
    path.matched = this.#filter === null;
    if (p.protocol === PROTO_TCP && record.sock !== 0 && isFromSocket(record, p, stage)) {
      this.#sent(path, record.sock, p);
    }
    if (p.hasEmbedded && p.embeddedFamily !== 0) {
      path.about = this.#embeddedTuple(p);
    }
    if (branch !== null) {
      path.origin = branch.origin;
      path.parent = branch.path;
      path.hops = hopsBefore(branch.path, this.devices.of(record), record);
      path.inherited = path.hops.length;
      path.matched = branch.path.matched;
      branch.path.children += 1;
    }
    if (this.#open.length >= this.#limit) {
      this.#evictOldest();
    }
    this.#open.push(path);
    this.#bySkb.set(path);
    path.head = record.head;
    this.#byHead.set(path.head, path);
    const key = identityKey(p);
    if (key !== 0 && branch === null) {
      path.identity = key;
      this.#byIdentity.set(key, path);
    }
    return path;
  }

  /**
   * The open path that goes on in a buffer not seen before: the kernel copied the
   * packet, or cloned it and let the original go.
   */
  #copyOf(record: RecordCursor, p: DecodedPacket, stage: number): Path | null {
    if (p.fragmentOffset > 0) {
      return null;
    }
    const byHead = this.#byHead.get(record.head);
    if (byHead?.freed && mayGoOn(byHead, record, p, stage)) {
      return byHead;
    }
    const key = identityKey(p);
    const copied = key === 0 ? undefined : this.#byIdentity.get(key);
    if (
      copied === undefined ||
      copied.head === record.head ||
      !mayGoOn(copied, record, p, stage) ||
      copied.last?.tuple !== this.#tuple(p, null)
    ) {
      return null;
    }
    return copied;
  }

  /** The open path that a buffer not seen before is a clone or a piece of. */
  #branchOf(
    record: RecordCursor,
    p: DecodedPacket,
    stage: number,
  ): { path: Path; origin: number } | null {
    if (p.fragmentOffset > 0) {
      const whole = this.#fragmented.get(fragmentKey(p));
      return whole === undefined ? null : { path: whole, origin: ORIGIN_FRAGMENT };
    }
    const byHead = this.#byHead.get(record.head);
    if (byHead !== undefined && mayGoOn(byHead, record, p, stage)) {
      return { path: branchingPoint(byHead, record, stage), origin: ORIGIN_CLONE };
    }
    // Segments are cut on the way into a device: one that starts elsewhere was sent again.
    if (
      p.protocol === PROTO_TCP &&
      stage !== layout.STAGE_NETFILTER &&
      !this.#superPackets.isEmpty
    ) {
      const whole = this.#superPackets.find(this.#tuple(p, null), p);
      // On the way up what was cut may have been put together otherwise than it was.
      const isPart = whole !== null && p.payloadLength < whole.payloadLength;
      if (whole !== null && (isPart || stage === layout.STAGE_INGRESS)) {
        return { path: whole, origin: ORIGIN_SEGMENT };
      }
    }
    return null;
  }

  /** What a path carried encrypted has come out of its buffer and can be read. */
  #unseal(path: Path, p: DecodedPacket, gsoSize: number): void {
    const tuple = this.#tuple(p, null);
    const cutInDevice = (whole: Path): boolean => isIntoSeal(whole.last);
    const whole = p.protocol === PROTO_TCP ? this.#superPackets.find(tuple, p, cutInDevice) : null;
    unseal(path, p, tuple, gsoSize);
    if (whole !== null && path.parent === null) {
      // It was cut out of a larger one in the tunnel device itself, where nothing looks.
      path.origin = ORIGIN_SEGMENT;
      path.parent = whole;
      path.inherited = whole.hops.length;
      path.hops = [...whole.hops, ...path.hops];
      path.matched ||= whole.matched;
      whole.children += 1;
      return;
    }
    const key = identityKey(p);
    if (key !== 0 && path.origin === ORIGIN_FIRST_SEEN) {
      this.#forgetIdentity(path);
      path.identity = key;
      this.#byIdentity.set(key, path);
    }
  }

  #deliver(record: RecordCursor): void {
    // A raw socket is given a clone, which nothing announced before.
    const inBuffer = this.#bySkb.get(record.skb);
    const path =
      inBuffer !== undefined && isOnWayIn(inBuffer.last)
        ? inBuffer
        : this.#byHead.get(record.deliverHead);
    const sock = record.deliverSock;
    if (path !== undefined) {
      this.#delivered(record, path, sock);
    }
    // It may be read long after it was delivered, and its path be finished.
    if (sock !== 0 && record.u32(layout.DELIVER_READER + layout.ACTOR_PROCESS) !== 0) {
      this.relays.read(sock, actorOf(record, layout.DELIVER_READER));
    }
  }

  #delivered(record: RecordCursor, path: Path, sock: number): void {
    const last = path.last;
    const netns = record.u32(layout.DELIVER_NETNS);
    if (last === undefined || !isOnWayIn(last) || path.dropped) {
      return;
    }
    if (netns !== 0 && netns !== last.device.netns) {
      return;
    }
    if (sock !== 0 && last.tuple?.protocol === PROTO_TCP) {
      this.relays.received(sock, last.tuple, netns, path);
    }
    if (path.received) {
      return;
    }
    const hop = new Hop(last.device);
    hop.time = record.time;
    hop.stage = layout.STAGE_DELIVER;
    hop.len = last.len;
    hop.ipLength = last.ipLength;
    hop.mtu = last.mtu;
    hop.mark = last.mark;
    hop.ttl = last.ttl;
    hop.ipId = last.ipId;
    hop.tcpFlags = last.tcpFlags;
    hop.tuple = last.tuple;
    hop.ct = last.ct;
    path.hops.push(hop);
    path.lastTime = record.time;
    path.ended = true;
    path.delivered = true;
    path.received = true;
  }

  /** What the sender of a segment is doing: opening a connection, or using it. */
  #sent(path: Path, sock: number, p: DecodedPacket): void {
    if ((p.tcpFlags & (TCP_SYN | TCP_ACK)) === TCP_SYN) {
      path.openedFor = this.relays.opened(sock, this.#tuple(p, null).reversed(this.tuples));
    } else if (p.payloadLength > 0 || (p.tcpFlags & (TCP_FIN | TCP_RST)) !== 0) {
      this.relays.sent(sock, (p.tcpFlags & (TCP_FIN | TCP_RST)) !== 0);
    }
  }

  #tuple(p: DecodedPacket, last: Tuple | null): Tuple {
    if (p.isArp) {
      const words = this.tuples.words.fill(0);
      words[3] = p.arpSenderIp;
      words[7] = p.arpTargetIp;
      return this.tuples.intern(4, PROTOCOL_ARP, -1, -1);
    }
    const sport = p.icmpType >= 0 ? p.icmpId : p.sport;
    const dport = p.icmpType >= 0 ? p.icmpId : p.dport;
    if (
      last !== null &&
      last.src3 === p.src3 &&
      last.dst3 === p.dst3 &&
      last.sport === sport &&
      last.dport === dport &&
      last.protocol === p.protocol &&
      last.family === p.family &&
      last.src0 === p.src0 &&
      last.src1 === p.src1 &&
      last.src2 === p.src2 &&
      last.dst0 === p.dst0 &&
      last.dst1 === p.dst1 &&
      last.dst2 === p.dst2
    ) {
      return last;
    }
    const words = this.tuples.words;
    words[0] = p.src0;
    words[1] = p.src1;
    words[2] = p.src2;
    words[3] = p.src3;
    words[4] = p.dst0;
    words[5] = p.dst1;
    words[6] = p.dst2;
    words[7] = p.dst3;
    return this.tuples.intern(p.family, p.protocol, sport, dport);
  }

  #embeddedTuple(p: DecodedPacket): Tuple {
    const words = this.tuples.words;
    words[0] = p.embeddedSrc0;
    words[1] = p.embeddedSrc1;
    words[2] = p.embeddedSrc2;
    words[3] = p.embeddedSrc3;
    words[4] = p.embeddedDst0;
    words[5] = p.embeddedDst1;
    words[6] = p.embeddedDst2;
    words[7] = p.embeddedDst3;
    const icmp = p.embeddedProtocol === PROTO_ICMP || p.embeddedProtocol === PROTO_ICMPV6;
    return this.tuples.intern(
      p.embeddedFamily,
      p.embeddedProtocol,
      icmp ? p.embeddedIcmpId : p.embeddedSport,
      icmp ? p.embeddedIcmpId : p.embeddedDport,
    );
  }

  #conntrack(record: RecordCursor, info: number, last: Conntrack | null): Conntrack {
    if (!record.hasConntrack) {
      if (last !== null && last.info === info && last.address === 0) {
        return last;
      }
      return { info, status: 0, zone: 0, address: 0, original: null, reply: null };
    }
    const address =
      (record.u32(layout.HOP_CT_CT + 4) & 0xffff) * 4294967296 + record.u32(layout.HOP_CT_CT);
    const status = record.u32(layout.HOP_CT_STATUS);
    const zone = record.u16(layout.HOP_CT_ZONE);
    // A translation sets a status bit when it rewrites the tuples.
    if (
      last !== null &&
      last.address === address &&
      last.status === status &&
      last.info === info &&
      last.zone === zone
    ) {
      return last;
    }
    return {
      info,
      status,
      zone,
      address,
      original: this.#conntrackTuple(record, layout.HOP_CT_ORIGINAL),
      reply: this.#conntrackTuple(record, layout.HOP_CT_REPLY),
    };
  }

  #conntrackTuple(record: RecordCursor, at: number): Tuple | null {
    const words = this.tuples.words;
    const l3num = record.u16(at + layout.TUPLE_L3NUM);
    const protocol = record.u8(at + layout.TUPLE_PROTONUM);
    if (l3num === AF_INET) {
      words.fill(0);
      words[3] = record.u32be(at + layout.TUPLE_SRC);
      words[7] = record.u32be(at + layout.TUPLE_DST);
    } else if (l3num === AF_INET6) {
      for (let i = 0; i < 4; i++) {
        words[i] = record.u32be(at + layout.TUPLE_SRC + 4 * i);
        words[4 + i] = record.u32be(at + layout.TUPLE_DST + 4 * i);
      }
    } else {
      return null;
    }
    const icmp = protocol === PROTO_ICMP || protocol === PROTO_ICMPV6;
    const sport = record.u16be(at + layout.TUPLE_SPORT);
    const dport = icmp ? sport : record.u16be(at + layout.TUPLE_DPORT);
    return this.tuples.intern(l3num === AF_INET ? 4 : 6, protocol, sport, dport);
  }

  /** A sixteenth at once: taking one off the front of a long array costs as much. */
  #evictOldest(): void {
    for (const path of this.#open.splice(0, Math.max(1, this.#limit >> 4))) {
      this.counters.evicted += 1;
      this.#finish(path);
    }
  }

  #forgetIdentity(path: Path): void {
    if (path.identity !== 0 && this.#byIdentity.get(path.identity) === path) {
      this.#byIdentity.delete(path.identity);
    }
  }

  #finish(path: Path): void {
    this.#bySkb.delete(path);
    if (this.#byHead.get(path.head) === path) {
      this.#byHead.delete(path.head);
    }
    this.#forgetIdentity(path);
    this.#superPackets.delete(path);
    this.#forgetFragmented(path);
    if (path.hops.length > 0 && path.matched) {
      this.counters.paths += 1;
      this.#onPath(path);
    }
  }
}

/** Whether it is known what the path carries: it is not encrypted, or was seen before. */
function isReadable(path: Path): boolean {
  const last = path.last;
  return last?.outer?.type === OUTER_WIREGUARD || isIntoSeal(last);
}

/** An offloaded super-packet's segments, a VLAN tag, offloaded or not, pieces, drops. */
function rareFields(record: RecordCursor, p: DecodedPacket, stage: number): RareFields {
  const gsoSize = record.u16(layout.HOP_GSO_SIZE);
  const vlanProto = p.vlanId >= 0 ? p.vlanProto : record.u16(layout.HOP_VLAN_PROTO);
  const drop = stage === layout.STAGE_DROP;
  const piece = p.error === 0 && (p.moreFragments || p.fragmentOffset > 0);
  if (gsoSize === 0 && vlanProto === 0 && !drop && !piece) {
    return NOTHING_RARE;
  }
  const offloadedId = vlanProto === 0 ? -1 : record.u16(layout.HOP_VLAN_TCI) & 0xfff;
  return {
    gsoSize,
    gsoSegs: record.u16(layout.HOP_GSO_SEGS),
    vlanId: p.vlanId >= 0 ? p.vlanId : offloadedId,
    vlanProto,
    fragmentOffset: piece ? p.fragmentOffset : -1,
    moreFragments: piece && p.moreFragments,
    reason: drop ? record.u32(layout.HOP_REASON) : 0,
    location: drop ? record.location : 0n,
  };
}

/** The hops a branch shares: those before the place where it is first seen itself. */
function hopsBefore(path: Path, device: Device, record: RecordCursor): Hop[] {
  const stage = record.u8(layout.HOP_STAGE);
  const hook = record.u8(layout.HOP_HOOK);
  const place = path.hops.findIndex(
    (hop) => hop.device === device && hop.stage === stage && hop.hook === hook,
  );
  return place < 0 ? path.hops.slice() : path.hops.slice(0, place);
}

/** A socket has it, so nothing more comes of it. */
function take(path: Path, record: RecordCursor): void {
  path.ended = true;
  path.delivered = true;
  path.lastTime = record.time;
}

/** Whether a record for a buffer belongs to the packet last seen in it. */
function continues(path: Path, p: DecodedPacket, stage: number): boolean {
  const drop = stage === layout.STAGE_DROP;
  if (path.ended && !(drop && path.delivered && !path.dropped)) {
    return false;
  }
  if (path.sealed !== null && p.outerType === OUTER_WIREGUARD) {
    return isSealedOf(path.sealed, p);
  }
  if (isSamePacket(path, p)) {
    return true;
  }
  // At a drop the network header may point anywhere; what cannot be read cannot
  // speak against the buffer's address.
  if (drop && (p.family === 0 || p.error !== 0 || p.truncated)) {
    return true;
  }
  return p.outerType === OUTER_WIREGUARD && wasSealedInto(path.last, p);
}

/**
 * Whether a buffer on its way up holds more of its packet's stream than it did: what
 * followed was merged into it (net/core/gro.c), before or behind a tunnel.
 */
function isMergedAt(path: Path, p: DecodedPacket, stage: number, gsoSize: number): boolean {
  return (
    stage === layout.STAGE_INGRESS &&
    p.protocol === PROTO_TCP &&
    path.protocol === PROTO_TCP &&
    path.ipId === p.ipId &&
    path.tcpSeq === p.tcpSeq &&
    p.payloadLength > path.payloadLength &&
    gsoSize > 0 &&
    !path.ended
  );
}

/**
 * Whether a buffer that is seen for the first time has just been sent by its socket. On
 * kernels before 6.4 a hook is seen only where somebody registered there.
 */
function isFromSocket(record: RecordCursor, p: DecodedPacket, stage: number): boolean {
  if (p.outerType !== OUTER_NONE) {
    return false;
  }
  if (stage !== layout.STAGE_NETFILTER) {
    return stage === layout.STAGE_EGRESS;
  }
  const hook = record.u8(layout.HOP_HOOK);
  return hook === HOOK_OUTPUT || hook === HOOK_POSTROUTING;
}

function actorOf(record: RecordCursor, at: number): Actor {
  return {
    process: record.u32(at + layout.ACTOR_PROCESS),
    thread: record.u32(at + layout.ACTOR_THREAD),
    sleeps: record.u32(at + layout.ACTOR_SLEEPS),
  };
}

/** Whether a path stands where a copy of its packet would carry on. */
function mayGoOn(path: Path, record: RecordCursor, p: DecodedPacket, stage: number): boolean {
  const last = path.last;
  if (
    last === undefined ||
    path.delivered ||
    path.dropped ||
    !isSamePacket(path, p) ||
    record.time - path.lastTime > SETTLE_NS
  ) {
    return false;
  }
  // A retransmission also shares data and sequence number, but starts at the source.
  const atStart =
    stage === layout.STAGE_NETFILTER &&
    record.u8(layout.HOP_HOOK) === HOOK_OUTPUT &&
    p.outerType === OUTER_NONE;
  return !atStart;
}

/**
 * Of a packet and those it was cloned from, the newest that can have got to where
 * another clone shows up: what a bridge floods starts at the bridge each time.
 */
function branchingPoint(newest: Path, record: RecordCursor, stage: number): Path {
  const netns = record.u32(layout.HOP_NETNS);
  const ifindex = record.u32(layout.HOP_IFINDEX);
  for (let path: Path | null = newest; path !== null; path = path.parent) {
    const last = path.last;
    if (last === undefined || path.origin > ORIGIN_CLONE) {
      break;
    }
    const sentElsewhere =
      last.stage === layout.STAGE_EGRESS &&
      stage === layout.STAGE_EGRESS &&
      last.device.kind === 'veth' &&
      last.device.ifindex !== ifindex;
    if (last.device.netns === netns && !sentElsewhere) {
      return path;
    }
  }
  return newest;
}

/** Whether a socket can be what comes next: what is sent meets a device before. */
function isOnWayIn(last: Hop | undefined): boolean {
  return (
    last !== undefined &&
    (last.stage === layout.STAGE_INGRESS ||
      last.stage === layout.STAGE_DELIVER ||
      (last.stage === layout.STAGE_NETFILTER && last.hook <= HOOK_INPUT))
  );
}

/** Whether the packet was last seen on its way to a socket. */
function isInput(path: Path): boolean {
  const last = path.last;
  return (
    last !== undefined &&
    (last.stage === layout.STAGE_DELIVER ||
      (last.stage === layout.STAGE_NETFILTER && last.hook === HOOK_INPUT))
  );
}

function settleTime(path: Path): number {
  const last = path.last;
  if (path.ended) {
    // Its segments cannot be told before they come out of the tunnel.
    return path.superTuples.length > 0 && isIntoSeal(last) ? SETTLE_NS : LINGER_NS;
  }
  return last !== undefined && last.stage === layout.STAGE_NETFILTER && last.hook === HOOK_INPUT
    ? SETTLE_INPUT_NS
    : SETTLE_NS;
}

/**
 * A hop between the two must exist and was not seen: nothing enters a namespace
 * but through a device, and nothing is routed that was not received.
 */
function isGap(last: Hop, hop: Hop): boolean {
  if (hop.stage === layout.STAGE_DROP || hop.stage === layout.STAGE_DELIVER) {
    return false;
  }
  if (hop.device.netns !== last.device.netns && hop.stage !== layout.STAGE_INGRESS) {
    return true;
  }
  if (isIntoSeal(last) && hop.stage === layout.STAGE_INGRESS) {
    return true;
  }
  return (
    last.stage === layout.STAGE_EGRESS &&
    hop.stage === layout.STAGE_NETFILTER &&
    hop.hook === HOOK_PREROUTING
  );
}

function fragmentKey(p: DecodedPacket): string {
  return `${p.family}:${p.protocol}:${p.src3}:${p.dst3}:${p.src0}:${p.dst0}:${p.ipId}`;
}
