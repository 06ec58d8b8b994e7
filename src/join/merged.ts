import type { DecodedPacket } from '../packet/decoded-packet.js';
import { PROTO_TCP } from '../packet/proto.js';
import * as layout from '../wire/layout.gen.js';
import type { Device } from './device-table.js';
import type { Hop } from './hop.js';
import type { Path } from './path.js';

/** Paths looked at for those that were merged; what is merged was begun shortly before. */
const LOOK_BACK = 512;
const HOOK_INPUT = 1;

/**
 * Receive offload (net/core/gro.c) has put packets of one stream into the buffer of the
 * first of them, without a word about the others: those in the range it now holds that
 * were last seen where merging takes place are part of it.
 */
export function markMerged(
  open: readonly Path[],
  head: Path,
  p: DecodedPacket,
  device: Device,
): void {
  head.payloadLength = p.payloadLength;
  const tuple = head.last?.tuple;
  for (let i = open.length - 1, looked = 0; i >= 0 && looked < LOOK_BACK; i--, looked++) {
    const path = open[i];
    const last = path?.last;
    if (
      path !== undefined &&
      last !== undefined &&
      path !== head &&
      path.protocol === PROTO_TCP &&
      path.payloadLength > 0 &&
      last.tuple === tuple &&
      path.mergedInto === null &&
      !path.ended &&
      (path.tcpSeq - head.tcpSeq) >>> 0 < p.payloadLength &&
      isWhereMerged(last, device)
    ) {
      path.mergedInto = head;
    }
  }
}

/** Given to a device's receiver, or come out of a tunnel in the same namespace. */
function isWhereMerged(last: Hop, device: Device): boolean {
  return (
    last.stage === layout.STAGE_EGRESS ||
    (last.stage === layout.STAGE_NETFILTER &&
      last.hook === HOOK_INPUT &&
      last.outer !== null &&
      last.device.netns === device.netns)
  );
}
