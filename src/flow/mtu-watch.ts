import type { PathVerdict } from 'hopscope-protocol';
import type { Device } from '../join/device-table.js';
import type { Headers } from '../join/headers.js';
import { ORIGIN_FIRST_SEEN, type Path } from '../join/path.js';
import type { Place } from '../join/place.js';
import { PROTO_TCP } from '../packet/proto.js';
import { type DirectionIndex, opposite } from './direction-index.js';
import type { DropMeaning } from './drop-meaning.js';
import type { FlowCounters } from './flow-counters.js';
import { ENTRY_BYTES, type MtuEvidence, REFUSALS_LIMIT } from './mtu-evidence.js';
import type { Traced, TracedDirection } from './traced.js';
import { ALWAYS_FITS, Vanishing } from './vanishing.js';

/** Bytes of a link header that count for no MTU: Ethernet. */
const LINK_HEADER = 14;

/** Notes of each path what it shows of packet sizes: what was sent, refused, cut, or vanished. */
export class MtuWatch {
  readonly #counters: FlowCounters;
  readonly #meaningOf: (reason: number) => DropMeaning;

  constructor(counters: FlowCounters, meaningOf: (reason: number) => DropMeaning) {
    this.#counters = counters;
    this.#meaningOf = meaningOf;
  }

  /** @param size bytes of the IP packet as sent; of a GSO packet, of one segment of it */
  note(
    traced: Traced,
    index: DirectionIndex,
    direction: TracedDirection,
    path: Path,
    verdict: PathVerdict,
    size: number,
  ): void {
    if (path.protocol === PROTO_TCP && path.origin === ORIGIN_FIRST_SEEN) {
      noteTcp(direction, path, size);
      noteArrival(traced, index, path, verdict, size);
    }
    if (path.dropped) this.#noteDrop(traced, index, path);
    const { mtu } = traced;
    if (mtu === null) return;
    if (path.origin === ORIGIN_FIRST_SEEN) noteAfterErrors(mtu, index, path, size);
    traced.blackholeSeen = mtu.isBlackhole;
  }

  #noteDrop(traced: Traced, direction: DirectionIndex, path: Path): void {
    const { columns } = path;
    const reason = columns.drop?.reason ?? 0;
    const meaning = this.#meaningOf(reason);
    const at = columns.place[columns.length - 1] as Place;
    switch (meaning) {
      case 'unassembled': {
        traced.makeMtuEvidence().unassembled[direction] += 1;
        return;
      }
      case 'checksum':
        this.#noteChecksum(traced, direction, path, at.device);
        return;
      case 'too-big':
      case 'unspecified': {
        const refusal = refusalOf(path, meaning);
        if (refusal !== null) this.#noteRefusal(traced, { direction, reason, ...refusal });
        return;
      }
      case 'duplicate':
      case 'other':
    }
  }

  #noteRefusal(
    traced: Traced,
    {
      direction,
      seenBy,
      refusedBy,
      reason,
      size,
    }: FoundRefusal & { direction: DirectionIndex; reason: number },
  ): void {
    const evidence = traced.makeMtuEvidence();
    const known = evidence.refusals.find(
      (each) =>
        each.direction === direction && each.seenBy === seenBy && each.refusedBy === refusedBy,
    );
    if (known !== undefined) {
      known.packets += 1;
      known.largest = Math.max(known.largest, size);
      return;
    }
    const refusal = { direction, seenBy, refusedBy, reason, largest: size, packets: 1 };
    this.#keep(traced, evidence.refusals, refusal);
  }

  #noteChecksum(traced: Traced, direction: DirectionIndex, path: Path, at: Device): void {
    const { place, headers, length } = path.columns;
    const { outer } = headers[length - 1] as Headers;
    if (outer === null) return;
    let sentBy: Device | null = null;
    for (let hop = length - 2; hop >= 0 && sentBy === null; hop--) {
      const { device, isDevice } = place[hop] as Place;
      // Before the tunnel's own headers were around it, it went into the tunnel.
      if (isDevice && (headers[hop] as Headers).outer === null) sentBy = device;
    }
    const evidence = traced.makeMtuEvidence();
    const known = evidence.badChecksums.find(
      (each) => each.direction === direction && each.at === at && each.sentBy === sentBy,
    );
    if (known !== undefined) {
      known.packets += 1;
      return;
    }
    const wrong = { direction, at, tunnel: outer.type, sentBy, packets: 1 };
    this.#keep(traced, evidence.badChecksums, wrong);
  }

  #keep<T>(traced: Traced, kind: T[], evidence: T): void {
    if (!traced.addEvidence(kind, REFUSALS_LIMIT, evidence)) this.#counters.evidenceRefused += 1;
  }
}

interface FoundRefusal {
  readonly seenBy: Device;
  readonly refusedBy: Device | null;
  readonly size: number;
}

/** Who dropped a packet for its size, where that is certain. */
function refusalOf({ columns }: Path, meaning: DropMeaning): FoundRefusal | null {
  const { length, place, headers, len } = columns;
  const at = place[length - 1] as Place;
  const before = length < 2 ? null : (place[length - 2] as Place);
  const seenBy = before?.device ?? at.device;
  if (before === null || (headers[length - 2] as Headers).gsoSize > 0) {
    const size = len[length - 1] as number;
    return meaning === 'too-big' ? { seenBy, refusedBy: null, size } : null;
  }
  // What a device drops it has seen as a frame, a hook what is in it.
  const link = before.isDevice && before.device.hasLinkHeader ? LINK_HEADER : 0;
  const size = (len[length - 2] as number) - link;
  const refusedBy = takesLess(at.device, size)
    ? at.device
    : before.device === at.device && takesLess(at.device.facing, size)
      ? at.device.facing
      : null;
  return refusedBy === null && meaning === 'unspecified' ? null : { seenBy, refusedBy, size };
}

function takesLess(device: Device | null, size: number): boolean {
  return device !== null && device.mtu > 0 && size > device.mtu;
}

function noteTcp(direction: TracedDirection, path: Path, size: number): void {
  if (path.tcpMss >= 0) {
    direction.mss = path.tcpMss;
  }
  if (path.payloadLength > 0 && size > path.headerLength) {
    direction.segment = Math.max(direction.segment, size - path.headerLength);
  }
}

/** Whether segments arrive: of those that are not seen to, what the other side says of them. */
function noteArrival(
  traced: Traced,
  index: DirectionIndex,
  path: Path,
  verdict: PathVerdict,
  size: number,
): void {
  const time = path.columns.time[0] as number;
  const answered = traced.mtu?.vanishing[opposite(index)] ?? null;
  answered?.heard(path.tcpAck, time);
  if (path.payloadLength === 0 || size <= ALWAYS_FITS) return;
  const known = traced.mtu?.vanishing[index] ?? null;
  if (verdict === 'delivered') {
    known?.pass(size);
  } else if (verdict !== 'dropped' && path.dontFragment && path.cutByWindow === 0) {
    const evidence = traced.makeMtuEvidence();
    const followed = known ?? new Vanishing();
    if (known === null) {
      evidence.vanishing[index] = followed;
      traced.bytes += ENTRY_BYTES;
    }
    followed.sent(path.tcpSeq, path.payloadLength, size, time);
  }
}

/** What the sender does after an error has named what fits. */
function noteAfterErrors(
  { errors }: MtuEvidence,
  index: DirectionIndex,
  path: Path,
  size: number,
): void {
  const time = path.columns.time[0] as number;
  for (const error of errors) {
    if (error.direction !== index || time <= error.first || error.mtu === 0) continue;
    if (size > error.mtu) error.largerAfter += 1;
    else if (path.protocol !== PROTO_TCP || path.payloadLength > 0) error.smallerSeen = true;
  }
}
