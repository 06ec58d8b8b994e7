import type { PacketFilter } from '../filter/packet-filter.js';
import { decodeEthernet, decodeNetwork } from '../packet/decode.js';
import { DecodedPacket, OUTER_NONE, OUTER_WIREGUARD } from '../packet/decoded-packet.js';
import { PROTO_TCP } from '../packet/proto.js';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../packet/tcp.js';
import * as layout from '../wire/layout.gen.js';
import type { RecordCursor } from '../wire/record-cursor.js';
import { TrailCursor } from '../wire/trail-cursor.js';
import { branchOf, copyOf, fragmentKey, hopsBefore } from './branch.js';
import { conntrackOf } from './conntrack-entry.js';
import { type Device, DeviceTable } from './device-table.js';
import {
  decrypt,
  encryptedOf,
  isLastPlaintextHop,
  isSameEncrypted,
  mayBeDecryptionOf,
  mayBeEncryptionOf,
} from './encrypted.js';
import type { Headers } from './headers.js';
import { HOOK_OUTPUT, HOOK_POSTROUTING } from './hook.js';
import { identityKey, isSamePacket } from './identity.js';
import { isMergedAt, Merges } from './merged.js';
import { end, endByDrop, OpenPaths } from './open-paths.js';
import { headersOf, withLink } from './packet-headers.js';
import { quotedTupleOf, tupleOf } from './packet-tuple.js';
import { CUT_START, ORIGIN_FIRST_SEEN, ORIGIN_SEGMENT, type Path } from './path.js';
import { describePacket } from './path-packet.js';
import { NO_HOOK, type Place, PlaceTable } from './place.js';
import { type Actor, Relays } from './relays.js';
import { isPathOver, settleTime } from './settle.js';
import { isOnWayIn, isUndoneByDelivery, type KernelNames, meaningOfDrop } from './socket-end.js';
import { TupleTable } from './tuple.js';
import { Windows } from './windows.js';

/** How long it is remembered what was merged: longer than a path waits for its end. */
const MERGE_NS = 2e9;
/** Hops kept of one packet; a routing loop makes more. */
export const HOP_LIMIT = 256;

export interface JoinCounters {
  /** Hops that came in. */
  hops: number;
  /** Records of other kinds that came in. */
  events: number;
  /** Paths finished. */
  paths: number;
  /** Trails that came in. */
  trails: number;
  /** Paths closed early because too many were open. */
  evicted: number;
  /** Hops refused because their path had too many. */
  hopsCut: number;
  /** Hops of what was no hop of a packet: the release of a fragment or of a clone. */
  hopsReleased: number;
  /** Clones that a socket did not want, while the packet itself went on. */
  copiesRefused: number;
  /** Paths that a window of the source cut off, at their beginning or their end. */
  cutByWindow: number;
  /** Hops that a trail announced and that could not be read. */
  hopsMalformed: number;
  /** Snapshots whose headers were malformed, by what was wrong (packet/packet-error.ts). */
  readonly malformed: Map<number, number>;
}

export interface JoinerOptions {
  readonly filter?: PacketFilter | null;
  readonly openPathLimit?: number;
  readonly names?: KernelNames;
  /** Whether the kernel traces some packets only, and all drops. */
  readonly isThinned?: boolean;
  /** Told of a trail whose rest could not be read. */
  readonly onMalformedTrail?: (code: string) => void;
}

/**
 * Joins trails into paths. Pure: time comes with the records and with `sweep`. Records come
 * in the order of their first hops.
 *
 * A packet is followed by the address of its buffer, checked at each snapshot against
 * what no hop rewrites. Clones are found by the data they share, copies by their
 * invariants, segments by their place in the stream, fragments by their IP id.
 */
export class PathJoiner {
  readonly devices = new DeviceTable();
  readonly places = new PlaceTable();
  readonly tuples = new TupleTable();
  readonly relays = new Relays();
  readonly counters: JoinCounters = {
    hops: 0,
    events: 0,
    paths: 0,
    trails: 0,
    evicted: 0,
    hopsCut: 0,
    hopsReleased: 0,
    copiesRefused: 0,
    cutByWindow: 0,
    hopsMalformed: 0,
    malformed: new Map(),
  };

  readonly #onPath: (path: Path) => void;
  readonly #onMalformedTrail: (code: string) => void;
  readonly #filter: PacketFilter | null;
  readonly #names: KernelNames;
  readonly #packet = new DecodedPacket();
  readonly #trail = new TrailCursor();
  readonly #open: OpenPaths;
  readonly #merges = new Merges();
  readonly #windows: Windows;

  constructor(onPath: (path: Path) => void, options: JoinerOptions = {}) {
    this.#onPath = onPath;
    this.#onMalformedTrail = options.onMalformedTrail ?? (() => undefined);
    this.#filter = options.filter ?? null;
    this.#names = options.names ?? { reason: String, symbol: () => null };
    this.#open = new OpenPaths(options.openPathLimit);
    this.#windows = new Windows(options.isThinned ?? false);
  }

  /** GSO packets removed before they came to an end because their stream had too many. */
  get gsoPacketsRefused(): number {
    return this.#open.gso.refused;
  }

  get openPaths(): number {
    return this.#open.size;
  }

  /** Takes the record under the cursor. */
  add(record: RecordCursor): void {
    this.tuples.now = record.time;
    if (record.type === layout.RECORD_TRAIL) {
      this.#addTrail(record);
      return;
    }
    this.counters.events += 1;
    switch (record.type) {
      case layout.RECORD_DEVICE:
        this.devices.learn({
          netns: record.u32(layout.DEVICE_NETNS),
          ifindex: record.u32(layout.DEVICE_IFINDEX),
          name: record.text(layout.DEVICE_NAME, 16),
          kind: record.text(layout.DEVICE_KIND, 16),
          mtu: record.u32(layout.DEVICE_MTU),
          type: record.u32(layout.DEVICE_DEV_TYPE),
        });
        break;
      case layout.RECORD_DELIVER:
        this.#deliver(record);
        break;
      case layout.RECORD_CONNECT:
        this.relays.connect(
          record.address(layout.CONNECT_SOCK),
          record.u32(layout.CONNECT_NETNS),
          actorOf(record, layout.CONNECT_OPENER),
        );
        break;
      default:
    }
  }

  /**
   * From `at` on (source's epoch, ns) the source sees everything, or drops alone. All that began
   * before has been added, and nothing that began later.
   */
  window(at: number, isOpen: boolean): void {
    this.#windows.change(this.#open, at, isOpen);
  }

  /** Finishes the packets that nothing more can come of by `now` (source's epoch, ns). */
  sweep(now: number): void {
    if (now === Number.POSITIVE_INFINITY) {
      for (let path = this.#open.oldest; path !== null; path = this.#open.oldest) {
        this.#finish(path);
      }
      return;
    }
    const over: Path[] = [];
    for (const path of this.#open.wheel.due(now)) {
      if (isPathOver(path, now)) {
        over.push(path);
      } else {
        this.#schedule(path);
      }
    }
    over.sort((a, b) => (a.columns.time[0] ?? a.lastTime) - (b.columns.time[0] ?? b.lastTime));
    for (const path of over) {
      this.#finish(path);
    }
    this.#merges.expire(now - MERGE_NS);
  }

  /** Finishes everything: the source has ended. */
  flush(): void {
    this.sweep(Number.POSITIVE_INFINITY);
  }

  /** Gives back a finished path that nobody reads any more. */
  release(path: Path): void {
    // What branched from it, or was merged into it, asks for its end.
    if (path.children === 0 && !path.hasMerged) {
      this.#open.recycle(path.columns);
    }
  }

  #addTrail(record: RecordCursor): void {
    const hop = this.#trail;
    const { counters } = this;
    hop.begin(record);
    counters.trails += 1;
    counters.hops += hop.hops;
    let read = 0;
    let path: Path | null = null;
    while (hop.next()) {
      read += 1;
      if ((hop.flags & layout.HOP_SNAPSHOT) !== 0) {
        path = this.#hop(hop);
      } else if (path === null) {
        path = this.#hopWithoutSnapshot(hop);
      } else if ((hop.flags & layout.HOP_DELIVER) !== 0) {
        this.#delivered(path, hop.time, hop.netns, hop.deliverSock);
      } else {
        this.#sameHeaders(path, hop);
      }
    }
    if (hop.error !== null || read !== hop.hops) {
      counters.hopsMalformed += Math.max(0, hop.hops - read);
      this.#onMalformedTrail(hop.error ?? 'WIRE_BAD_TRAIL');
    }
    if (path === null) {
      return;
    }
    if (hop.end === layout.END_FREE && !path.ended && path.skb === hop.skb) {
      path.freed = true;
      end(path, hop.endTime);
      path.lastTime = Math.max(path.lastTime, hop.endTime);
    }
    this.#schedule(path);
  }

  /** A hop whose headers are those of the hop before it. */
  #sameHeaders(path: Path, hop: TrailCursor): void {
    const { columns } = path;
    const at = columns.length - 1;
    let headers = columns.headers[at] as Headers;
    const device = this.devices.of(hop.netns, hop.ifindex);
    if ((hop.flags & layout.HOP_LINK) !== 0) {
      headers = withLink(headers, hop, device);
    }
    this.#append(path, hop, device, headers);
  }

  /** A trail begins with a snapshot, unless its first hop is a delivery or is damaged. */
  #hopWithoutSnapshot(hop: TrailCursor): Path | null {
    const path = this.#open.bySkb.get(hop.skb);
    if (path === undefined || path.length === 0) {
      this.counters.hopsMalformed += 1;
      return null;
    }
    if ((hop.flags & layout.HOP_DELIVER) !== 0) {
      this.#delivered(path, hop.time, hop.netns, hop.deliverSock);
    } else {
      this.#sameHeaders(path, hop);
    }
    return path;
  }

  /** A hop with its headers: the same packet with others, another packet, or a drop. */
  #hop(hop: TrailCursor): Path | null {
    const p = this.#packet;
    const { stage } = hop;
    const hasLink = this.#decode(hop);
    const device = this.devices.of(hop.netns, hop.ifindex);
    let path = this.#open.bySkb.get(hop.skb);
    if (stage === layout.STAGE_DROP && this.#isNoDrop(hop, path)) {
      return path ?? null;
    }
    const gsoSize = hop.snapshotU16(layout.SNAPSHOT_GSO_SIZE);
    if (path !== undefined && isMergedAt(path, p, stage, gsoSize)) {
      this.#merges.add(path, p, device, hop.time);
    }
    if (
      path !== undefined &&
      stage === layout.STAGE_INGRESS &&
      mayBeDecryptionOf(path, p, device, gsoSize)
    ) {
      this.#decrypt(path, hop, gsoSize);
    } else if (path === undefined || !continues(path, p, stage)) {
      path = this.#begin(hop, device, path);
    }
    if (p.moreFragments && p.fragmentOffset === 0) {
      this.#addFragmented(path);
    }
    const headers = headersOf(p, hop, device, path, this.tuples);
    if (p.outerType === OUTER_WIREGUARD) {
      path.encrypted = encryptedOf(p, path.encrypted, device);
    } else if (p.family !== 0 && stage !== layout.STAGE_DROP) {
      path.encrypted = null;
    }
    this.#append(path, hop, device, headers);
    this.#open.setHead(path, hop.head);
    if (headers.gsoSize > 0 && headers.tuple !== null && p.payloadLength > headers.gsoSize) {
      this.#open.gso.add(path, headers.tuple, hop.time);
    }
    if (this.#filter !== null && !path.matched) {
      const length = hop.snapshotU16(layout.SNAPSHOT_LENGTH);
      path.matched = this.#filter.matches(hop.view, hop.bytes, length, hasLink, hop.len, p);
    }
    return path;
  }

  /** Decodes the snapshot; true when it begins with a link header. */
  #decode(hop: TrailCursor): boolean {
    const p = this.#packet;
    const length = hop.snapshotU16(layout.SNAPSHOT_LENGTH);
    const hasLink = hop.snapshotU16(layout.SNAPSHOT_L3_OFFSET) >= layout.LENGTH_LINK;
    if (hasLink) {
      decodeEthernet(p, hop.view, hop.bytes, length, hop.len);
    } else {
      const protocol = hop.snapshotU16(layout.SNAPSHOT_PROTOCOL);
      decodeNetwork(p, hop.view, hop.bytes, length, protocol, hop.len);
    }
    // At a drop the network header may point anywhere: that is nobody's fault.
    if (p.error !== 0 && hop.stage !== layout.STAGE_DROP) {
      const { malformed } = this.counters;
      malformed.set(p.error, (malformed.get(p.error) ?? 0) + 1);
    }
    return hasLink;
  }

  #append(path: Path, hop: TrailCursor, device: Device, headers: Headers): void {
    const { columns } = path;
    if (columns.length >= HOP_LIMIT) {
      path.hopsCut += 1;
      this.counters.hopsCut += 1;
      return;
    }
    const at = columns.length - 1;
    const last = at < 0 ? null : (columns.place[at] as Place);
    const lastConntrack = at < 0 ? null : (columns.ct[at] ?? null);
    const place = this.places.of(
      device,
      hop.stage,
      hop.hook,
      hop.stage === layout.STAGE_NETFILTER ? hop.priority : 0,
    );
    const ct = conntrackOf(hop, lastConntrack ?? path.lastEntry, this.tuples);
    if (ct !== null) {
      path.lastEntry = ct;
    }
    const ttl = headers.isPlain && hop.ttl > 0 ? hop.ttl : headers.ttl;
    columns.push(hop.time, place, headers, ct, hop.len, hop.mark, ttl);
    if (last !== null) {
      if (hop.time < (columns.time[at] as number)) {
        columns.settleLast();
      } else if (isGap(last, place)) {
        path.gap = true;
      }
    }
    if (hop.time > path.lastTime) {
      path.lastTime = hop.time;
    }
    if (hop.stage === layout.STAGE_DROP) {
      endByDrop(path, hop.time, { reason: hop.dropReason, location: hop.dropLocation });
    }
  }

  /** Whether a record of kfree_skb is of no loss; then it is dealt with. */
  #isNoDrop(hop: TrailCursor, path: Path | undefined): boolean {
    switch (meaningOfDrop(this.#open, hop, this.#packet, path, this.#names)) {
      case 'drop':
        return false;
      case 'refused-clone':
        this.counters.copiesRefused += 1;
        break;
      case 'release':
        if (path !== undefined && !path.ended) {
          path.freed = true;
          end(path, hop.time);
          path.lastTime = hop.time;
        }
        break;
      case 'taken':
    }
    this.counters.hopsReleased += 1;
    return true;
  }

  #begin(hop: TrailCursor, device: Device, superseded: Path | undefined): Path {
    const p = this.#packet;
    const open = this.#open;
    if (superseded !== undefined && !superseded.ended) {
      // Its buffer was given to another packet, so its own life is over.
      end(superseded, hop.time);
      this.#schedule(superseded);
    }
    const copied = copyOf(open, hop, p, this.tuples);
    if (copied !== null) {
      open.move(copied, hop.skb);
      copied.ended = false;
      copied.freed = false;
      copied.endTime = Number.POSITIVE_INFINITY;
      return copied;
    }
    const branch = branchOf(open, hop, p, this.tuples);
    if (open.isFull) {
      this.#evictOldest();
    }
    const path = open.open(hop.skb, hop.head, hop.time);
    describePacket(path, p);
    path.matched = this.#filter === null;
    path.fromSocket = hop.sock !== 0 && isFromSocket(hop, p);
    if (path.fromSocket && p.protocol === PROTO_TCP) {
      this.#sent(path, hop.sock);
    }
    if (p.hasEmbedded && p.embeddedFamily !== 0) {
      path.quoted = quotedTupleOf(p, this.tuples);
    }
    if (branch !== null) {
      const { priority, stage, hook } = hop;
      path.origin = branch.origin;
      path.parent = branch.path;
      path.inherited = hopsBefore(
        branch.path,
        this.places.of(device, stage, hook, hook === NO_HOOK ? 0 : priority),
        hop.time,
      );
      path.columns.inherit(branch.path.columns, path.inherited);
      path.matched = branch.path.matched;
      path.cutByWindow = branch.path.cutByWindow & CUT_START;
      branch.path.children += 1;
    } else {
      open.setIdentity(path, identityKey(p));
    }
    this.#windows.begin(path, hop.time, device, hop.stage);
    return path;
  }

  /** The first fragment stands for the packet, the others branch from here. */
  #addFragmented(path: Path): void {
    if (path.fragmentedAt < 0) {
      path.fragmentedAt = path.length;
    }
    // Reassembled, rewritten and cut again it has other addresses, and in IPv6 another id.
    this.#open.addFragmentKey(path, fragmentKey(this.#packet));
  }

  /** What a path carried encrypted has come out of its buffer and can be read. */
  #decrypt(path: Path, hop: TrailCursor, gsoSize: number): void {
    const p = this.#packet;
    const tuple = tupleOf(p, null, this.tuples);
    const isCutInDevice = (whole: Path): boolean => isLastPlaintextHop(whole.lastPlace);
    const whole =
      p.protocol === PROTO_TCP ? this.#open.gso.find(tuple, p, hop.time, isCutInDevice) : null;
    decrypt(path, p, tuple, gsoSize);
    if (whole !== null && path.parent === null) {
      // It was cut out of a larger one in the tunnel device itself, where nothing looks.
      path.origin = ORIGIN_SEGMENT;
      path.parent = whole;
      path.inherited = whole.columns.indexAt(path.columns.time[0] ?? hop.time) + 1;
      path.columns.inherit(whole.columns, path.inherited);
      path.matched ||= whole.matched;
      whole.children += 1;
      return;
    }
    if (path.origin === ORIGIN_FIRST_SEEN) {
      this.#open.setIdentity(path, identityKey(p));
    }
  }

  #deliver(record: RecordCursor): void {
    // A raw socket is given a clone, which nothing announced before.
    const { time } = record;
    const inBuffer = this.#open.bySkb.get(record.skb);
    const path =
      inBuffer !== undefined && isOnWayIn(inBuffer.columns.place[inBuffer.columns.indexAt(time)])
        ? inBuffer
        : this.#open.byHead.get(record.address(layout.DELIVER_HEAD));
    const sock = record.address(layout.DELIVER_SOCK);
    if (path !== undefined) {
      this.#delivered(path, time, record.u32(layout.DELIVER_NETNS), sock);
      this.#schedule(path);
    }
    // It may be read long after it was delivered, and its path be finished.
    if (sock !== 0 && record.u32(layout.DELIVER_READER + layout.ACTOR_PROCESS) !== 0) {
      this.relays.read(sock, actorOf(record, layout.DELIVER_READER));
    }
  }

  /** A socket takes a packet. */
  #delivered(path: Path, time: number, netns: number, sock: number): void {
    const { columns } = path;
    const at = columns.indexAt(time);
    const last = columns.place[at];
    if (at < 0 || last === undefined || !isOnWayIn(last)) {
      return;
    }
    if (path.dropped) {
      if (!isUndoneByDelivery(path, time, this.#names)) {
        return;
      }
      columns.pop();
      path.dropped = false;
    }
    if (netns !== 0 && netns !== last.device.netns) {
      return;
    }
    const headers = columns.headers[at] as Headers;
    if (sock !== 0 && headers.tuple?.protocol === PROTO_TCP) {
      this.relays.received(sock, headers.tuple, netns, path);
    }
    if (path.received) {
      return;
    }
    columns.push(
      time,
      this.places.of(last.device, layout.STAGE_DELIVER, NO_HOOK, 0),
      headers,
      columns.ct[at] ?? null,
      columns.len[at] as number,
      columns.mark[at] as number,
      columns.ttl[at] as number,
    );
    columns.settleLast();
    path.lastTime = Math.max(path.lastTime, time);
    path.delivered = true;
    path.received = true;
    end(path, time);
  }

  /** What the sender of a segment is doing: opening a connection, or using it. */
  #sent(path: Path, sock: number): void {
    const p = this.#packet;
    if ((p.tcpFlags & (TCP_SYN | TCP_ACK)) === TCP_SYN) {
      const answer = tupleOf(p, null, this.tuples).reversed(this.tuples);
      path.openedFor = this.relays.opened(sock, answer);
    } else if (p.payloadLength > 0 || (p.tcpFlags & (TCP_FIN | TCP_RST)) !== 0) {
      this.relays.sent(sock, (p.tcpFlags & (TCP_FIN | TCP_RST)) !== 0);
    }
  }

  #schedule(path: Path): void {
    this.#open.wheel.schedule(path, path.lastTime + settleTime(path));
  }

  #evictOldest(): void {
    const { oldest } = this.#open;
    if (oldest !== null) {
      this.counters.evicted += 1;
      this.#finish(oldest);
    }
  }

  #finish(path: Path): void {
    this.#open.close(path);
    if (!path.ended) {
      path.mergedInto = this.#merges.find(path);
      if (path.mergedInto !== null) {
        path.mergedInto.hasMerged = true;
      }
    }
    if (path.length > 0 && path.matched) {
      this.counters.paths += 1;
      if (path.cutByWindow !== 0) {
        this.counters.cutByWindow += 1;
      }
      this.#onPath(path);
    }
  }
}

/** Whether a snapshot of a buffer belongs to the packet last seen in it. */
function continues(path: Path, p: DecodedPacket, stage: number): boolean {
  const drop = stage === layout.STAGE_DROP;
  if (path.ended && !(drop && path.delivered && !path.dropped)) {
    return false;
  }
  if (path.encrypted !== null && p.outerType === OUTER_WIREGUARD) {
    return isSameEncrypted(path.encrypted, p);
  }
  if (isSamePacket(path, p)) {
    return true;
  }
  // At a drop the network header may point anywhere; what cannot be read cannot
  // speak against the buffer's address.
  if (drop && (p.family === 0 || p.error !== 0 || p.truncated)) {
    return true;
  }
  return p.outerType === OUTER_WIREGUARD && mayBeEncryptionOf(path, p);
}

/**
 * Whether a buffer that is seen for the first time has just been sent by its socket. A hook
 * is seen only where somebody registered there.
 */
function isFromSocket(hop: TrailCursor, p: DecodedPacket): boolean {
  if (p.outerType !== OUTER_NONE) {
    return false;
  }
  return (
    hop.stage === layout.STAGE_EGRESS ||
    (hop.stage === layout.STAGE_NETFILTER &&
      (hop.hook === HOOK_OUTPUT || hop.hook === HOOK_POSTROUTING))
  );
}

function actorOf(record: RecordCursor, at: number): Actor {
  return {
    process: record.u32(at + layout.ACTOR_PROCESS),
    thread: record.u32(at + layout.ACTOR_THREAD),
    sleeps: record.u32(at + layout.ACTOR_SLEEPS),
  };
}

/**
 * A hop between the two must exist and was not seen: nothing enters a namespace
 * but through a device, and nothing is routed that was not received.
 */
function isGap(last: Place, next: Place): boolean {
  if (next.stage === layout.STAGE_DROP || next.stage === layout.STAGE_DELIVER) {
    return false;
  }
  if (next.device.netns !== last.device.netns && next.stage !== layout.STAGE_INGRESS) {
    return true;
  }
  if (next.stage === layout.STAGE_INGRESS && isLastPlaintextHop(last)) {
    return true;
  }
  return (
    last.stage === layout.STAGE_EGRESS && next.stage === layout.STAGE_NETFILTER && next.hook === 0
  );
}
