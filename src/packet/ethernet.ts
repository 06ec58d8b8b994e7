import type { DecodedPacket } from './decoded-packet.js';
import { ERROR_TUNNEL_SHORT, ERROR_VLAN_TAGS } from './packet-error.js';
import { ETHERTYPE_QINQ, ETHERTYPE_QINQ_OLD, ETHERTYPE_VLAN } from './proto.js';

/** Tags in one frame that are followed; one more is an error. */
export const MAX_VLAN_TAGS = 4;

const HEADER = 14;
const TAG = 4;

/*
 * Ethernet II (IEEE 802.3), tags per 802.1Q and 802.1ad:
 *
 *    0                 6                12        14
 *   +-----------------+-----------------+---------+----- - -
 *   | destination     | source          | type    | payload
 *   +-----------------+-----------------+---------+----- - -
 *
 * A tag takes the place of the type; the type proper follows it:
 *
 *   | TPID 16 | PCP 3 | DEI 1 | VID 12 | type 16 |
 */

function isTag(etherType: number): boolean {
  return (
    etherType === ETHERTYPE_VLAN || etherType === ETHERTYPE_QINQ || etherType === ETHERTYPE_QINQ_OLD
  );
}

/** Reads the device's own link header. Returns the EtherType after any tags, or -1. */
export function ethernetHeader(p: DecodedPacket, view: DataView): number {
  if (!p.has(HEADER, ERROR_TUNNEL_SHORT)) return -1;
  const at = p.cursor;
  p.hasMac = true;
  const word0 = view.getInt32(at);
  const word1 = view.getInt32(at + 4);
  const word2 = view.getInt32(at + 8);
  p.macDstHi = word0 >>> 8;
  p.macDstLo = ((word0 & 0xff) << 16) | (word1 >>> 16);
  p.macSrcHi = ((word1 & 0xffff) << 8) | (word2 >>> 24);
  p.macSrcLo = word2 & 0xffffff;
  let etherType = view.getUint16(at + 12);
  p.cursor = at + HEADER;
  let tags = 0;
  while (isTag(etherType)) {
    if (tags === MAX_VLAN_TAGS) {
      p.fail(ERROR_VLAN_TAGS);
      return -1;
    }
    if (!p.has(TAG, ERROR_TUNNEL_SHORT)) return -1;
    const tci = view.getUint16(p.cursor);
    if (tags === 0) {
      p.vlanId = tci & 0xfff;
      p.vlanPriority = tci >> 13;
      p.vlanProto = etherType;
    } else if (tags === 1) {
      p.vlanInnerId = tci & 0xfff;
    }
    etherType = view.getUint16(p.cursor + 2);
    p.cursor += TAG;
    tags++;
  }
  p.etherType = etherType;
  return etherType;
}

/** Reads an Ethernet header inside a tunnel. Returns the EtherType after any tags, or -1. */
export function innerEthernetHeader(p: DecodedPacket, view: DataView): number {
  if (!p.has(HEADER, ERROR_TUNNEL_SHORT)) return -1;
  const at = p.cursor;
  p.hasInnerMac = true;
  const word0 = view.getInt32(at);
  const word1 = view.getInt32(at + 4);
  const word2 = view.getInt32(at + 8);
  p.innerMacDstHi = word0 >>> 8;
  p.innerMacDstLo = ((word0 & 0xff) << 16) | (word1 >>> 16);
  p.innerMacSrcHi = ((word1 & 0xffff) << 8) | (word2 >>> 24);
  p.innerMacSrcLo = word2 & 0xffffff;
  let etherType = view.getUint16(at + 12);
  p.cursor = at + HEADER;
  let tags = 0;
  while (isTag(etherType)) {
    if (tags === MAX_VLAN_TAGS) {
      p.fail(ERROR_VLAN_TAGS);
      return -1;
    }
    if (!p.has(TAG, ERROR_TUNNEL_SHORT)) return -1;
    etherType = view.getUint16(p.cursor + 2);
    p.cursor += TAG;
    tags++;
  }
  return etherType;
}
