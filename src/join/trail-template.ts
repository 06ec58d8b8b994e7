import {
  type DecodedPacket,
  OUTER_GENEVE,
  OUTER_VXLAN,
  OUTER_WIREGUARD,
} from '../packet/decoded-packet.js';
import { PROTO_TCP, PROTO_UDP } from '../packet/proto.js';
import { isWireguardPort } from '../packet/wireguard.js';
import * as layout from '../wire/layout.gen.js';
import type { RecordCursor } from '../wire/record-cursor.js';
import type { TrailCursor } from '../wire/trail-cursor.js';
import type { Conntrack } from './conntrack.js';
import type { Headers } from './headers.js';
import type { SharedHops } from './hop-columns.js';
import { decodeSnapshot } from './packet-headers.js';
import type { Path } from './path.js';
import type { Tuple } from './tuple.js';

const UDP_HEADER = 8;
const UDP_CHECKSUM = 6;
const IPV4_ID = 4;
const IPV4_CHECKSUM = 10;
/** TCP: ports; then sequence and acknowledgement numbers; then header length and flags. */
const TCP_PORTS = 4;
const TCP_FLAGS_AT = 12;
const TCP_FLAGS = 2;
const TCP_SEQ = 4;

/** Bytes of a record of which what another packet has in their place is to be the same, or is not. */
class Marks {
  readonly bytes: Uint8Array;

  constructor(size: number) {
    this.bytes = new Uint8Array((size + 3) & ~3);
  }

  same(at: number, length: number): void {
    this.bytes.fill(0xff, at, at + length);
  }

  other(at: number, length: number): void {
    this.bytes.fill(0, at, at + length);
  }
}

/**
 * The hops of a trail from its first on, and what they made of it: of a packet of the same flow
 * that went the same way they make the same, but for the times and the packet's own numbers.
 */
export class TrailTemplate {
  /** Bytes of the whole record; another length is another way. */
  readonly size: number;
  /** What the record has to have, word by word, and where it matters. */
  readonly #words: Int32Array;
  readonly #mask: Int32Array;
  /** Offsets of IPv4 ids and of TCP sequence numbers: one packet has the same all the way. */
  readonly #ids: readonly number[];
  readonly #hasId: boolean;
  readonly #sequences: readonly number[];
  /** Offset of each hop. */
  readonly #hopsAt: Int32Array;
  /** Offset of the last snapshot. */
  readonly #lastSnapshot: number;
  readonly #tuples: readonly Tuple[];
  readonly hops: SharedHops;
  /** Of the last hop with one. */
  readonly entry: Conntrack | null;
  /** Where the hops that are not in it begin, and how many there are. */
  readonly restAt: number;
  readonly restHops: number;

  private constructor(record: RecordCursor, path: Path, walk: Walk) {
    const { offset, end, bytes } = record;
    this.size = end - offset;
    this.#mask = new Int32Array(walk.marks.bytes.buffer);
    const copy = new Uint8Array(walk.marks.bytes.length);
    copy.set(bytes.subarray(offset, end));
    this.#words = new Int32Array(copy.buffer).map((word, at) => word & (this.#mask[at] as number));
    this.#ids = walk.ids;
    this.#hasId = walk.ids.length > 0 && record.view.getUint16(offset + (walk.ids[0] ?? 0)) !== 0;
    this.#sequences = walk.sequences;
    this.#hopsAt = Int32Array.from(walk.hopsAt);
    this.#lastSnapshot = walk.lastSnapshot;
    this.hops = path.columns.copyOf(walk.hopsAt.length);
    this.#tuples = tuplesOf(this.hops);
    this.entry = this.hops.ct.findLast((ct) => ct !== null) ?? null;
    this.restAt = walk.restAt;
    this.restHops = walk.restHops;
  }

  /**
   * The template of a trail that made a path of its own; null where more than bytes decided what
   * became of it.
   *
   * @param trail a cursor to read it with, `p` one for its headers
   */
  static of(
    record: RecordCursor,
    trail: TrailCursor,
    p: DecodedPacket,
    path: Path,
  ): TrailTemplate | null {
    if (!isOfOneTrail(path)) return null;
    const walk = walkOf(record, trail, p);
    return walk === null || walk.hopsAt.length > path.length
      ? null
      : new TrailTemplate(record, path, walk);
  }

  /**
   * Whether the trail of a record goes as this one did, given that `path` has its first hop alone.
   *
   * @param words of the record's bytes, from `base` on
   */
  fits(record: RecordCursor, words: Int32Array, base: number, path: Path): boolean {
    const expected = this.#words;
    const mask = this.#mask;
    let differs = 0;
    for (let i = 0; i < expected.length; i++) {
      differs |= ((words[base + i] as number) ^ (expected[i] as number)) & (mask[i] as number);
    }
    if (differs !== 0) return false;
    const { columns } = path;
    return (
      columns.place[0] === this.hops.place[0] &&
      columns.headers[0]?.tuple === this.hops.headers[0]?.tuple &&
      this.#isOnePacket(record) &&
      this.#tuples.every((tuple) => tuple.interned)
    );
  }

  /** Whether the numbers that distinguish packets are the same at all its hops. */
  #isOnePacket({ view, offset }: RecordCursor): boolean {
    const ids = this.#ids;
    const id = ids.length === 0 ? 0 : view.getUint16(offset + (ids[0] as number));
    if (ids.length > 0 && (id !== 0) !== this.#hasId) return false;
    for (let i = 1; i < ids.length; i++) {
      if (view.getUint16(offset + (ids[i] as number)) !== id) return false;
    }
    const sequences = this.#sequences;
    for (let i = 1; i < sequences.length; i++) {
      const first = view.getUint32(offset + (sequences[0] as number));
      if (view.getUint32(offset + (sequences[i] as number)) !== first) return false;
    }
    return true;
  }

  /** The times of the hops into `times`; false where they are not in order. */
  times({ view, offset, time }: RecordCursor, times: Float64Array): boolean {
    const hopsAt = this.#hopsAt;
    let before = 0;
    for (let i = 0; i < hopsAt.length; i++) {
      const delta = view.getUint32(offset + (hopsAt[i] as number) + layout.HOP_DELTA, true);
      if (delta < before) return false;
      before = delta;
      times[i] = time + delta;
    }
    return true;
  }

  /** `skb->head` where the headers were read last, low 48 bits. */
  head(record: RecordCursor): number {
    return record.address(this.#lastSnapshot + layout.SNAPSHOT_HEAD);
  }
}

/** What reading a trail again says of its bytes. Offsets are in the record. */
interface Walk {
  readonly marks: Marks;
  readonly ids: number[];
  readonly sequences: number[];
  readonly hopsAt: number[];
  lastSnapshot: number;
  restAt: number;
  restHops: number;
}

/** Whether a path has what its trail gave it and nothing else, and its packet is nothing special. */
function isOfOneTrail(path: Path): boolean {
  return (
    path.parent === null &&
    path.inherited === 0 &&
    path.encrypted === null &&
    path.gsoTuples.length === 0 &&
    path.hopsCut === 0 &&
    !path.fragment &&
    path.malformed === 0 &&
    (path.protocol === PROTO_UDP || path.protocol === PROTO_TCP)
  );
}

/** Reads a trail up to its first hop that says how the packet ended; null where it has no template. */
function walkOf(record: RecordCursor, trail: TrailCursor, p: DecodedPacket): Walk | null {
  const { offset } = record;
  const marks = new Marks(record.end - offset);
  const walk: Walk = {
    ...{ marks, ids: [], sequences: [], hopsAt: [] },
    ...{ lastSnapshot: -1, restAt: record.end - offset, restHops: 0 },
  };
  marks.same(layout.HEADER_TYPE, 4);
  marks.same(layout.TRAIL_SOCK, 8);
  marks.same(layout.TRAIL_HOPS, 4);
  let before = 0;
  trail.begin(record);
  while (trail.next()) {
    const at = trail.hopAt;
    if ((trail.flags & (layout.HOP_DELIVER | layout.HOP_DROP)) !== 0) {
      walk.restAt = at;
      walk.restHops = trail.hopsLeft;
      break;
    }
    if (trail.time < before) return null;
    before = trail.time;
    walk.hopsAt.push(at);
    marks.same(at + layout.HOP_NETNS, layout.SIZEOF_HOP - layout.HOP_NETNS);
    if (trail.link >= 0) marks.same(trail.link - offset, layout.LENGTH_LINK);
    if (trail.snapshot >= 0 && !markSnapshot(walk, trail, p, offset)) return null;
    if (trail.conntrack >= 0) marks.same(trail.conntrack - offset, trail.conntrackBytes);
  }
  const isWhole = trail.error === null && walk.lastSnapshot >= 0 && walk.hopsAt.length > 1;
  return isWhole ? walk : null;
}

/** What of a snapshot is the same in the flow's next packet; false where its headers are special. */
function markSnapshot(walk: Walk, trail: TrailCursor, p: DecodedPacket, offset: number): boolean {
  const { marks } = walk;
  const { view, bytes } = trail;
  decodeSnapshot(p, trail);
  const isGso = trail.snapshotU16(layout.SNAPSHOT_GSO_SIZE) !== 0;
  if (isGso || p.error !== 0 || p.truncated || !isPlainTransport(p) || p.depth > 1) return false;
  walk.lastSnapshot = trail.snapshot - offset;
  const fields = layout.SNAPSHOT_L3_OFFSET;
  marks.same(trail.snapshot - offset + fields, layout.SIZEOF_SNAPSHOT - fields);
  marks.same(bytes - offset, p.transportOffset - bytes);
  if (p.depth > 0) markOuter(marks, p, view, offset);
  if (p.family === 4) {
    marks.other(p.innerOffset - offset + IPV4_ID, 2);
    marks.other(p.innerOffset - offset + IPV4_CHECKSUM, 2);
    walk.ids.push(p.innerOffset - offset + IPV4_ID);
  }
  const transport = p.transportOffset - offset;
  if (p.protocol === PROTO_UDP) {
    marks.same(transport, UDP_CHECKSUM);
  } else {
    marks.same(transport, TCP_PORTS);
    marks.same(transport + TCP_FLAGS_AT, TCP_FLAGS);
    walk.sequences.push(transport + TCP_SEQ);
  }
  return true;
}

/** Whether a packet is one of a stream or of datagrams, whole, and can be read down to its ports. */
function isPlainTransport(p: DecodedPacket): boolean {
  return (
    p.transportOffset >= 0 &&
    (p.protocol === PROTO_UDP || p.protocol === PROTO_TCP) &&
    !p.moreFragments &&
    p.fragmentOffset === 0 &&
    p.outerType !== OUTER_WIREGUARD &&
    // What such a packet is shows in its payload.
    !isWireguardPort(p.sport) &&
    !isWireguardPort(p.dport)
  );
}

/** The outer header has an id of its own, and is not compared by it. */
function markOuter(marks: Marks, p: DecodedPacket, view: DataView, offset: number): void {
  const at = p.outerOffset - offset;
  let transport = at + 40;
  if (p.outerFamily === 4) {
    marks.other(at + IPV4_ID, 2);
    marks.other(at + IPV4_CHECKSUM, 2);
    transport = at + (view.getUint8(p.outerOffset) & 0xf) * 4;
  }
  if (p.outerType === OUTER_VXLAN || p.outerType === OUTER_GENEVE) {
    marks.other(transport + UDP_CHECKSUM, UDP_HEADER - UDP_CHECKSUM);
  }
}

/** The tuples of hops: once forgotten, another object stands for the same addresses and ports. */
function tuplesOf({ headers, ct }: SharedHops): Tuple[] {
  const found = new Set<Tuple | null | undefined>();
  for (const { tuple } of headers as readonly Headers[]) found.add(tuple);
  for (const entry of ct) {
    found.add(entry?.original);
    found.add(entry?.reply);
  }
  return [...found].filter((tuple) => tuple != null);
}
