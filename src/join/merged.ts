import type { DecodedPacket } from '../packet/decoded-packet.js';
import { HOOK_INPUT } from '../packet/netfilter-hook.js';
import { PROTO_TCP } from '../packet/proto.js';
import * as layout from '../wire/layout.gen.js';
import type { Device } from './device-table.js';
import { isCutInTunnel } from './encrypted.js';
import type { Path } from './path.js';
import type { Tuple } from './tuple.js';

/** Merges remembered; one past it the oldest is forgotten. */
export const MERGE_LIMIT = 8_192;

interface Merge {
  readonly head: Path;
  readonly device: Device;
  readonly tuple: Tuple;
  readonly seq: number;
  /** Payload that the buffer holds from there on, bytes. */
  readonly length: number;
  readonly time: number;
}

/**
 * Whether a buffer on its way up holds more of its packet's stream at `time` than it did: what
 * followed was merged into it (net/core/gro.c), before or after a tunnel.
 */
export function isMergedAt(
  path: Path,
  p: DecodedPacket,
  stage: number,
  gsoSize: number,
  time: number,
): boolean {
  return (
    stage === layout.STAGE_INGRESS &&
    p.protocol === PROTO_TCP &&
    path.protocol === PROTO_TCP &&
    path.ipId === p.ipId &&
    path.tcpSeq === p.tcpSeq &&
    p.payloadLength > path.payloadLength &&
    gsoSize > 0 &&
    !path.isOverAt(time)
  );
}

/**
 * Receive offload (net/core/gro.c) puts packets of one stream into the buffer of the first of
 * them, without a record of the others: those in the range that it then holds, and that were
 * last seen where merging takes place, are part of it. They began after it, so what it holds is
 * remembered until they are looked at.
 */
export class Merges {
  readonly #byTuple = new Map<Tuple, Merge[]>();
  readonly #all: Merge[] = [];
  #first = 0;

  /** Notes that a packet holds more from now on. */
  add(head: Path, p: DecodedPacket, device: Device, time: number): void {
    head.payloadLength = p.payloadLength;
    const tuple = head.lastHeaders?.tuple ?? null;
    if (tuple === null) {
      return;
    }
    const { tcpSeq: seq } = head;
    const merge = { head, device, tuple, seq, length: p.payloadLength, time };
    this.#all.push(merge);
    const ofTuple = this.#byTuple.get(tuple);
    if (ofTuple === undefined) {
      this.#byTuple.set(tuple, [merge]);
    } else {
      ofTuple.push(merge);
    }
    if (this.#all.length - this.#first > MERGE_LIMIT) {
      this.#forgetOldest();
    }
  }

  /**
   * The packet that one was merged into, of which neither a drop nor a delivery was seen; null
   * when it was not. Its buffer may be released with the other's, but not before.
   */
  find(path: Path): Path | null {
    const merges = this.#byTuple.get(path.lastHeaders?.tuple as Tuple);
    if (merges === undefined || path.protocol !== PROTO_TCP || path.payloadLength === 0) {
      return null;
    }
    const last = path.columns.time[path.length - 1] as number;
    for (let at = merges.length - 1; at >= 0; at--) {
      const { head, device, seq, length, time } = merges[at] as Merge;
      if (
        head !== path &&
        last <= time &&
        (!path.isOverAt(time) || (isCutInTunnel(path) && path.children === 0)) &&
        (path.tcpSeq - seq) >>> 0 < length &&
        isWhereMerged(path, device)
      ) {
        return head;
      }
    }
    return null;
  }

  /** Forgets what was merged before `time`. */
  expire(time: number): void {
    while (this.#first < this.#all.length && (this.#all[this.#first] as Merge).time < time) {
      this.#forgetOldest();
    }
  }

  #forgetOldest(): void {
    const { tuple } = this.#all[this.#first] as Merge;
    const ofTuple = this.#byTuple.get(tuple);
    ofTuple?.shift();
    if (ofTuple?.length === 0) {
      this.#byTuple.delete(tuple);
    }
    this.#first += 1;
    if (this.#first > MERGE_LIMIT) {
      this.#all.splice(0, this.#first);
      this.#first = 0;
    }
  }
}

/** Given to a device's receiver, or come out of a tunnel in the same namespace. */
function isWhereMerged(path: Path, device: Device): boolean {
  const last = path.lastPlace;
  return (
    last !== null &&
    (last.stage === layout.STAGE_EGRESS ||
      (last.hook === HOOK_INPUT &&
        path.lastHeaders?.outer != null &&
        last.device.netns === device.netns))
  );
}
