import type { DecodedPacket } from '../packet/decoded-packet.js';
import { PROTO_TCP } from '../packet/proto.js';
import * as layout from '../wire/layout.gen.js';
import type { Device } from './device-table.js';
import { HOOK_INPUT } from './hook.js';
import type { OpenPaths } from './open-paths.js';
import type { Path } from './path.js';

/** Paths looked at for those that were merged; what is merged was begun shortly before. */
const LOOK_BACK = 512;

/**
 * Whether a buffer on its way up holds more of its packet's stream than it did: what
 * followed was merged into it (net/core/gro.c), before or after a tunnel.
 */
export function isMergedAt(path: Path, p: DecodedPacket, stage: number, gsoSize: number): boolean {
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
 * Receive offload (net/core/gro.c) has put packets of one stream into the buffer of the
 * first of them, without a word about the others: those in the range it now holds that
 * were last seen where merging takes place are part of it.
 *
 * @param time when the merged packet was seen, ns
 */
export function markMerged(
  open: OpenPaths,
  head: Path,
  p: DecodedPacket,
  device: Device,
  time: number,
): void {
  head.payloadLength = p.payloadLength;
  const tuple = head.lastHeaders?.tuple;
  let path = open.newest;
  for (let looked = 0; path !== null && looked < LOOK_BACK; path = path.older, looked++) {
    if (
      path !== head &&
      path.protocol === PROTO_TCP &&
      path.payloadLength > 0 &&
      path.mergedInto === null &&
      !path.ended &&
      path.lastHeaders?.tuple === tuple &&
      (path.tcpSeq - head.tcpSeq) >>> 0 < p.payloadLength &&
      (path.columns.time[path.length - 1] as number) <= time &&
      isWhereMerged(path, device)
    ) {
      path.mergedInto = head;
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
