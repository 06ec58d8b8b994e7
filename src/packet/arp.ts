import type { DecodedPacket } from './decoded-packet.js';
import { ERROR_ARP_FORMAT, ERROR_TRANSPORT_SHORT } from './packet-error.js';
import { ETHERTYPE_IPV4 } from './proto.js';

const PREFIX = 8;
const HEADER = 28;

/*
 * ARP for IPv4 over Ethernet (RFC 826):
 *
 *    0        2        4     5     6        8
 *   +--------+--------+-----+-----+--------+
 *   | htype 1| 0x0800 |  6  |  4  |   op   |
 *   +--------+--------+-----+-----+--------+------+---------+
 *   8  sender MAC 6   14 sender IP 4  18 target MAC 6  24 target IP 4
 */

/** Reads an ARP packet; ends the walk. */
export function arpPacket(p: DecodedPacket, view: DataView): void {
  if (!p.has(PREFIX, ERROR_TRANSPORT_SHORT)) return;
  const at = p.cursor;
  p.isArp = true;
  p.arpOp = view.getUint16(at + 6);
  if (
    view.getUint16(at) !== 1 ||
    view.getUint16(at + 2) !== ETHERTYPE_IPV4 ||
    view.getUint16(at + 4) !== 0x0604
  ) {
    p.fail(ERROR_ARP_FORMAT);
    return;
  }
  if (!p.has(HEADER, ERROR_TRANSPORT_SHORT)) return;
  p.arpSenderMacHi = (view.getUint16(at + 8) << 8) | view.getUint8(at + 10);
  p.arpSenderMacLo = (view.getUint8(at + 11) << 16) | view.getUint16(at + 12);
  p.arpSenderIp = view.getUint32(at + 14);
  p.arpTargetMacHi = (view.getUint16(at + 18) << 8) | view.getUint8(at + 20);
  p.arpTargetMacLo = (view.getUint8(at + 21) << 16) | view.getUint16(at + 22);
  p.arpTargetIp = view.getUint32(at + 24);
  p.cursor = at + HEADER;
}
