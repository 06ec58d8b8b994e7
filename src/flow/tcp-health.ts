import type { PathVerdict } from 'hopscope-protocol';
import type { Headers } from '../join/headers.js';
import { CUT_START, ORIGIN_FIRST_SEEN, type Path } from '../join/path.js';
import type { Place } from '../join/place.js';
import { PROTO_TCP } from '../packet/proto.js';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../packet/tcp.js';
import { type DirectionIndex, ORIGINAL, opposite, REPLY } from './direction-index.js';
import type { FlowCounters } from './flow-counters.js';
import { TcpWay } from './tcp-way.js';
import type { Traced } from './traced.js';

/** Endpoints to which the SYNs of one connection went; others are left out, and counted. */
export const SYN_ENDPOINTS_LIMIT = 8;
/** Estimated bytes of a TcpHealth with both ways; see flow-size.ts. */
export const TCP_HEALTH_BYTES = 620;

/** Where SYNs went, as their last hop shows it. */
export interface SynEndpoint {
  readonly dst: string;
  /** -1 where it is not known. */
  readonly dport: number;
  syns: number;
}

/** How a TCP connection fares, by those of its segments that were traced. Made for the first. */
export class TcpHealth {
  readonly ways: readonly [TcpWay, TcpWay] = [new TcpWay(), new TcpWay()];
  syns = 0;
  /** Where they went, in the order in which each was first seen. */
  readonly endpoints: SynEndpoint[] = [];
  /** When the first SYN was sent, its answer arrived, and the answer to that was sent; -1 where not seen. */
  synAt = -1;
  synAckAt = -1;
  ackAt = -1;
  /** Who ended it first, and how; null while nobody did, or that was not seen. */
  closedBy: { readonly direction: DirectionIndex; readonly isReset: boolean } | null = null;
  #synSeq = 0;

  /** Segments thrown away because what they hold had arrived: drops, and no loss. */
  get duplicates(): number {
    return this.ways[ORIGINAL].duplicates + this.ways[REPLY].duplicates;
  }

  /** @returns by how many bytes it grew */
  note(index: DirectionIndex, path: Path, hasArrived: boolean): number {
    const { columns, tcpFlags: flags } = path;
    const way = this.ways[index];
    const sentAt = columns.time[0] as number;
    const arrivedAt = hasArrived ? (columns.time[columns.length - 1] as number) : -1;
    const isSyn = (flags & TCP_SYN) !== 0;
    const hasAck = (flags & TCP_ACK) !== 0;
    if (isSyn && !hasAck && index === ORIGINAL) this.#syn(path.tcpSeq, sentAt);
    if (isSyn && hasAck && index === REPLY && this.synAckAt < 0) this.synAckAt = arrivedAt;
    if (!isSyn && hasAck && index === ORIGINAL && this.synAckAt >= 0 && this.ackAt < 0) {
      this.ackAt = sentAt;
    }
    if ((flags & TCP_RST) !== 0) {
      way.resets += 1;
      this.closedBy ??= { direction: index, isReset: true };
      return 0;
    }
    const isFin = (flags & TCP_FIN) !== 0;
    if (isFin) this.closedBy ??= { direction: index, isReset: false };
    if (!isSyn) way.noteWindow(path.tcpWindow);
    const grown = hasAck ? this.ways[opposite(index)].acknowledged(path.tcpAck, arrivedAt) : 0;
    const length = path.payloadLength + (isSyn ? 1 : 0) + (isFin ? 1 : 0);
    if (length > 0) {
      way.sent({
        seq: path.tcpSeq | 0,
        end: (path.tcpSeq + length) | 0,
        sentAt,
        arrivedAt,
        isStartSeen: (path.cutByWindow & CUT_START) === 0,
        lastPlace: columns.place[columns.length - 1] as Place,
        reason: columns.drop?.reason ?? -1,
      });
    }
    return grown;
  }

  #syn(seq: number, sentAt: number): void {
    if (this.synAt < 0 || seq !== this.#synSeq) {
      this.ways[ORIGINAL].restart();
      this.ways[REPLY].restart();
      this.synAt = sentAt;
      this.synAckAt = -1;
      this.ackAt = -1;
      this.syns = 0;
      this.endpoints.length = 0;
      this.closedBy = null;
    }
    this.#synSeq = seq;
    this.syns += 1;
  }
}

/** Puts a packet to the account of its connection's health, where it is one of TCP. */
export function noteTcpHealth(
  traced: Traced,
  index: DirectionIndex,
  path: Path,
  verdict: PathVerdict,
  isDuplicate: boolean,
  counters: FlowCounters,
): void {
  if (path.protocol !== PROTO_TCP || path.tcpFlags < 0 || path.origin !== ORIGIN_FIRST_SEEN) return;
  if (traced.tcp === null) {
    traced.tcp = new TcpHealth();
    traced.bytes += TCP_HEALTH_BYTES;
  }
  const { tcp } = traced;
  if (isDuplicate) tcp.ways[index].duplicates += 1;
  traced.bytes += tcp.note(index, path, isDuplicate || verdict === 'delivered');
  if (index !== ORIGINAL || (path.tcpFlags & (TCP_SYN | TCP_ACK)) !== TCP_SYN) return;
  const { tuple } = path.columns.headers[path.columns.length - 1] as Headers;
  if (tuple === null) return;
  const known = tcp.endpoints.find(({ dst, dport }) => dst === tuple.dst && dport === tuple.dport);
  if (known !== undefined) known.syns += 1;
  else {
    const piece = { dst: tuple.dst, dport: tuple.dport, syns: 1 };
    if (!traced.addEvidence(tcp.endpoints, SYN_ENDPOINTS_LIMIT, piece))
      counters.evidenceRefused += 1;
  }
}
