import { type DecodedPacket, OUTER_VXLAN } from './decoded-packet.js';
import { enterEncapsulation } from './encapsulation.js';
import { ERROR_TUNNEL_SHORT } from './packet-error.js';
import { ETHERTYPE_TEB } from './proto.js';

/** IANA's port. */
export const VXLAN_PORT = 4789;
/** The port Linux used before there was a standard, still the default of flannel and Cilium. */
export const VXLAN_PORT_LINUX = 8472;

const HEADER = 8;

/*
 * VXLAN (RFC 7348), then an Ethernet frame:
 *
 *    0            1             4              7     8
 *   +------------+-------------+--------------+-----+
 *   | ....I...   | reserved    |     VNI      | rsv |
 *   +------------+-------------+--------------+-----+
 */

/** Enters the frame inside. Returns its EtherType, or -1 where this is no VXLAN. */
export function vxlanHeader(p: DecodedPacket, view: DataView): number {
  if (!p.has(HEADER, ERROR_TUNNEL_SHORT)) return -1;
  const at = p.cursor;
  // Without the I flag there is no valid VNI: something else uses the port.
  if ((view.getUint8(at) & 0x08) === 0) return -1;
  if (!enterEncapsulation(p, OUTER_VXLAN)) return -1;
  p.vni = view.getUint32(at + 4) >>> 8;
  p.cursor = at + HEADER;
  return ETHERTYPE_TEB;
}
