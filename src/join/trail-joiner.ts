import { DecodedPacket, OUTER_WIREGUARD } from '../packet/decoded-packet.js';
import { PROTO_TCP } from '../packet/proto.js';
import * as layout from '../wire/layout.gen.js';
import type { RecordCursor } from '../wire/record-cursor.js';
import { TrailCursor } from '../wire/trail-cursor.js';
import type { Beginnings } from './beginnings.js';
import { fragmentKey } from './branch.js';
import type { Conntrack } from './conntrack.js';
import { ConntrackEntries } from './conntrack-entry.js';
import { continues } from './continuation.js';
import type { Deliveries } from './deliveries.js';
import type { Device } from './device-table.js';
import {
  decrypt,
  encryptedOf,
  isCutInTunnel,
  isLastPlaintextHop,
  mayBeDecryptionOf,
} from './encrypted.js';
import type { Headers } from './headers.js';
import { identityKey } from './identity.js';
import type { JoinState } from './join-state.js';
import { isMergedAt, type Merges } from './merged.js';
import { end, endByDrop } from './open-paths.js';
import { decodeSnapshot, headersOf, withLink } from './packet-headers.js';
import { quotedTupleOf, tupleOf } from './packet-tuple.js';
import { ORIGIN_FIRST_SEEN, ORIGIN_SEGMENT, type Path } from './path.js';
import { schedule } from './settle.js';
import { meaningOfDrop } from './socket-end.js';
import { TrailTemplates } from './trail-templates.js';

/** Hops kept of one packet; a routing loop makes more. */
export const HOP_LIMIT = 256;
const ANOTHER_PACKET = Symbol('another packet');

/** What the kernel compared a hop with: of the hop before it in its trail. */
interface KnownBefore {
  readonly headers: Headers | null;
  readonly entry: Conntrack | null;
}

/** Puts the hops of trails to their paths. */
export class TrailJoiner {
  readonly #state: JoinState;
  readonly #beginnings: Beginnings;
  readonly #deliveries: Deliveries;
  readonly #merges: Merges;
  readonly #onMalformedTrail: (code: string) => void;
  readonly #entries: ConntrackEntries;
  readonly #templates: TrailTemplates;
  readonly #packet = new DecodedPacket();
  readonly #trail = new TrailCursor();
  /**
   * KnownBefore of the hop that is read. Another CPU may have seen the packet in between, and by
   * its address another packet may be in the same trail.
   */
  #before: Headers | null = null;
  #entryBefore: Conntrack | null = null;

  /** @param onMalformedTrail called for a trail whose rest could not be read */
  constructor(
    state: JoinState,
    beginnings: Beginnings,
    deliveries: Deliveries,
    merges: Merges,
    onMalformedTrail: (code: string) => void,
  ) {
    this.#state = state;
    this.#beginnings = beginnings;
    this.#deliveries = deliveries;
    this.#merges = merges;
    this.#onMalformedTrail = onMalformedTrail;
    this.#entries = new ConntrackEntries(state.tuples);
    this.#templates = new TrailTemplates(state.devices, state.places);
  }

  /** Takes the trail under the cursor. */
  add(record: RecordCursor): void {
    const hop = this.#trail;
    const { counters, open } = this.#state;
    hop.begin(record);
    const known = record.from === null ? null : (record.from.context as KnownBefore);
    this.#before = known?.headers ?? null;
    this.#entryBefore = known?.entry ?? null;
    if (known === null) {
      counters.trails += 1;
      counters.hops += hop.hops;
    }
    let read = 0;
    let path: Path | null = null;
    let isNew = false;
    while (hop.next()) {
      read += 1;
      if (!hop.isFirst) {
        // The sender is that of the first packet: another may be in the same buffer by now.
        hop.sock = 0;
      }
      if (read > 1 && path !== null && isOutOfTunnel(path, hop)) {
        this.#putBack(record, hop, path);
        return;
      }
      if ((hop.flags & layout.HOP_SNAPSHOT) !== 0) {
        const found = this.#hop(hop, read === 1);
        if (found === ANOTHER_PACKET) {
          this.#putBack(record, hop, path);
          return;
        }
        path = found;
        if (read === 1 && known === null && path !== null && isNewPath(path, hop.time)) {
          isNew = true;
          read += this.#asBefore(record, hop, path);
        }
      } else if (path === null) {
        path = this.#hopWithoutSnapshot(hop);
      } else if ((hop.flags & layout.HOP_DELIVER) !== 0) {
        this.#deliveries.markDelivered(path, hop);
      } else {
        this.#sameHeaders(path, hop);
      }
    }
    if (hop.error !== null || read !== hop.hops) {
      counters.hopsMalformed += hop.hops - read;
      this.#onMalformedTrail(hop.error ?? 'WIRE_BAD_TRAIL');
    }
    if (path === null) {
      return;
    }
    if (isNew && hop.error === null) {
      this.#templates.note(record, path);
    }
    if (hop.end === layout.END_FREE && path.endTime > hop.endTime && path.skb === hop.skb) {
      path.freed = true;
      end(path, hop.endTime);
      path.lastTime = Math.max(path.lastTime, hop.endTime);
    }
    schedule(open, path);
  }

  /**
   * The hops after the first of a path that begins, where the packets before it of its flow had
   * the same; how many.
   */
  #asBefore(record: RecordCursor, hop: TrailCursor, path: Path): number {
    const template = this.#templates.find(record, hop, path);
    if (template === null) {
      return 0;
    }
    const { columns } = path;
    const { hops, entry } = template;
    columns.share(hops, path.ipId);
    path.lastTime = columns.time[hops.length - 1] as number;
    path.lastEntry = entry;
    this.#before = path.lastHeaders;
    this.#entryBefore = entry;
    this.#state.open.setHead(path, template.head(record));
    hop.skipTo(template.restAt, template.restHops);
    return hops.length - 1;
  }

  /** A hop whose headers are those of the hop before it. */
  #sameHeaders(path: Path, hop: TrailCursor): void {
    let headers = this.#before ?? (path.lastHeaders as Headers);
    const device = this.#state.devices.of(hop.netns, hop.ifindex, hop.time);
    if ((hop.flags & layout.HOP_LINK) !== 0) {
      headers = withLink(headers, hop, device);
    }
    this.#append(path, hop, device, headers);
  }

  /** A trail begins with a snapshot, unless its first hop is a delivery or is damaged. */
  #hopWithoutSnapshot(hop: TrailCursor): Path | null {
    const path = this.#state.open.bySkb.get(hop.skb);
    if (path === undefined || path.length === 0) {
      this.#state.counters.hopsMalformed += 1;
      return null;
    }
    if ((hop.flags & layout.HOP_DELIVER) !== 0) {
      this.#deliveries.markDelivered(path, hop);
    } else {
      this.#sameHeaders(path, hop);
    }
    return path;
  }

  /**
   * A hop with its headers: the same packet with others, another packet, or a drop. Another
   * packet in the middle of a trail is for later: what it is a copy of may have begun since the
   * trail did, and comes in between.
   */
  #hop(hop: TrailCursor, isFirst: boolean): Path | null | typeof ANOTHER_PACKET {
    const p = this.#packet;
    const { stage } = hop;
    const hasLink = decodeSnapshot(p, hop);
    const device = this.#state.devices.of(hop.netns, hop.ifindex, hop.time);
    const gsoSize = hop.snapshotU16(layout.SNAPSHOT_GSO_SIZE);
    let path = this.#state.open.inBuffer(hop.skb, hop.time, (one) => continues(one, p, hop));
    const isDecrypted =
      path !== undefined &&
      stage === layout.STAGE_INGRESS &&
      mayBeDecryptionOf(path, p, device, gsoSize, hop.time);
    const isMerged = path !== undefined && isMergedAt(path, p, stage, gsoSize, hop.time);
    if (!isFirst && !isDecrypted && !isMerged && !(path !== undefined && continues(path, p, hop))) {
      return ANOTHER_PACKET;
    }
    this.#countError(stage);
    if (stage === layout.STAGE_DROP && this.#isNoDrop(hop, path)) {
      return path ?? null;
    }
    if (path !== undefined && isMerged) {
      this.#merges.add(path, p, device, hop.time);
    }
    if (path !== undefined && isDecrypted) {
      this.#decrypt(path, hop, gsoSize);
    } else if (path === undefined || !continues(path, p, hop)) {
      path = this.#beginnings.begin(hop, p, device, path);
    }
    if (p.moreFragments && p.fragmentOffset === 0) {
      this.#addFragmented(path);
    } else if (path.fragment && p.family === 6 && p.ipId < 0) {
      // Reassembled it has no id, and another one when fragmented next (RFC 8200, 4.5).
      path.ipId = -1;
    }
    if (path.quoted !== null && p.hasQuoted && p.quotedFamily !== 0) {
      path.quotedAtEnd = quotedTupleOf(p, this.#state.tuples);
    }
    const headers = headersOf(p, hop, device, path, this.#before?.mac ?? null, this.#state.tuples);
    if (p.outerType === OUTER_WIREGUARD) {
      path.encrypted = encryptedOf(p, path.encrypted, device);
    } else if (p.family !== 0 && stage !== layout.STAGE_DROP) {
      path.encrypted = null;
    }
    this.#append(path, hop, device, headers);
    this.#state.open.setHead(path, hop.head);
    if (headers.gsoSize > 0 && headers.tuple !== null && p.payloadLength > headers.gsoSize) {
      this.#state.open.gso.add(path, headers.tuple, hop.time);
    }
    if (this.#state.filter !== null && !path.matched) {
      const length = hop.snapshotU16(layout.SNAPSHOT_LENGTH);
      const { view, bytes, len } = hop;
      path.matched = this.#state.filter.matches(view, bytes, length, hasLink, len, p);
    }
    return path;
  }

  #countError(stage: number): void {
    const { error } = this.#packet;
    // At a drop the network header may point anywhere: that is no damage.
    if (error !== 0 && stage !== layout.STAGE_DROP) {
      const { malformed } = this.#state.counters;
      malformed.set(error, (malformed.get(error) ?? 0) + 1);
    }
  }

  /** Has the rest of the trail come again when all that began before it was joined. */
  #putBack(record: RecordCursor, { time, hopAt, hopsLeft }: TrailCursor, path: Path | null): void {
    if (path !== null) schedule(this.#state.open, path);
    const context: KnownBefore = { headers: this.#before, entry: this.#entryBefore };
    record.rest = { time, at: hopAt, hops: hopsLeft, context };
  }

  #append(path: Path, hop: TrailCursor, device: Device, headers: Headers): void {
    const { columns } = path;
    this.#before = headers;
    const ct = this.#entries.of(hop, this.#entryBefore ?? path.lastEntry);
    if (ct !== null) {
      this.#entryBefore = ct;
      path.lastEntry = ct;
    }
    if (columns.length >= HOP_LIMIT) {
      path.hopsCut += 1;
      this.#state.counters.hopsCut += 1;
      if (hop.stage === layout.STAGE_DROP) {
        endByDrop(path, hop.time, { reason: hop.dropReason, location: hop.dropLocation });
      }
      return;
    }
    const at = columns.length - 1;
    const place = this.#state.places.of(
      device,
      hop.stage,
      hop.hook,
      hop.stage === layout.STAGE_NETFILTER ? hop.priority : 0,
    );
    const ttl = headers.isPlain && hop.ttl > 0 ? hop.ttl : headers.ttl;
    this.#before = columns.push(hop.time, place, headers, ct, hop.len, hop.mark, ttl);
    if (at >= 0 && hop.time < (columns.time[at] as number)) {
      columns.settleLast();
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
    switch (meaningOfDrop(this.#state.open, hop, this.#packet, path, this.#state.names)) {
      case 'drop':
        return false;
      case 'refused-clone':
        this.#state.counters.copiesRefused += 1;
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
    this.#state.counters.hopsReleased += 1;
    return true;
  }

  /** The first fragment stands for the packet, the others branch from here. */
  #addFragmented(path: Path): void {
    if (path.fragmentedAt < 0) {
      path.fragmentedAt = path.length;
    }
    // Reassembled, rewritten and fragmented again it has other addresses, and in IPv6 another id.
    this.#state.open.addFragmentKey(path, fragmentKey(this.#packet));
  }

  /** What a path carried encrypted has come out of its buffer and can be read. */
  #decrypt(path: Path, hop: TrailCursor, gsoSize: number): void {
    const p = this.#packet;
    const tuple = tupleOf(p, null, this.#state.tuples);
    // What it was cut from may have been sent again since.
    const begun = path.columns.time[0] ?? hop.time;
    const whole =
      p.protocol === PROTO_TCP ? this.#state.open.gso.find(tuple, p, begun, isCutInTunnel) : null;
    decrypt(path, p, tuple, gsoSize);
    if (whole !== null && path.parent === null) {
      // It was cut out of a larger one in the tunnel device itself, where nothing looks.
      path.origin = ORIGIN_SEGMENT;
      path.parent = whole;
      path.inherited = whole.columns.indexAt(begun) + 1;
      path.columns.inherit(whole.columns, path.inherited);
      path.matched ||= whole.matched;
      whole.children += 1;
      return;
    }
    if (path.origin === ORIGIN_FIRST_SEEN) {
      this.#state.open.setIdentity(path, identityKey(p));
    }
  }
}

/**
 * Whether a packet comes out of an encrypted tunnel right after it went in: in between it was
 * encrypted on another CPU, and what that saw comes first.
 */
function isOutOfTunnel(path: Path, hop: TrailCursor): boolean {
  return hop.stage === layout.STAGE_INGRESS && isLastPlaintextHop(path.lastPlace);
}

/** Whether a path has a hop at `time` and nothing else yet. */
function isNewPath(path: Path, time: number): boolean {
  return (
    path.length === 1 &&
    path.begun === time &&
    path.parent === null &&
    path.matched &&
    !path.ended &&
    path.encrypted === null
  );
}
