import { type DecodedPacket, OUTER_WIREGUARD } from '../packet/decoded-packet.js';
import * as layout from '../wire/layout.gen.js';
import type { TrailCursor } from '../wire/trail-cursor.js';
import { isSameEncrypted, mayBeEncryptionOf } from './encrypted.js';
import { isSamePacket } from './identity.js';
import type { Path } from './path.js';

/** Whether a snapshot of a buffer belongs to the packet last seen in it. */
export function continues(path: Path, p: DecodedPacket, hop: TrailCursor): boolean {
  const drop = hop.stage === layout.STAGE_DROP;
  if (path.isOverAt(hop.time) && !(drop && path.delivered && !path.dropped)) {
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
