import { type DecodedPacket, OUTER_GRE } from './decoded-packet.js';
import { enterEncapsulation } from './encapsulation.js';
import { ERROR_TUNNEL_SHORT } from './packet-error.js';
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_TEB } from './proto.js';

const FLAG_CHECKSUM = 0x8000;
const FLAG_ROUTING = 0x4000;
const FLAG_KEY = 0x2000;
const FLAG_SEQUENCE = 0x1000;
const VERSION = 0x0007;

/*
 * GRE (RFC 2784, key and sequence RFC 2890):
 *
 *    0                          2          4
 *   +-+-+-+-+---------+--------+----------+
 *   |C|0|K|S| rsv     | ver 0  | protocol |   protocol: an EtherType
 *   +-+-+-+-+---------+--------+----------+
 *   | checksum 16 | reserved 16           |   if C
 *   | key 32                              |   if K
 *   | sequence 32                         |   if S
 *   +-------------------------------------+
 */

/** Enters the packet inside. Returns its EtherType, or -1 where it stays opaque. */
export function greHeader(p: DecodedPacket, view: DataView): number {
  if (!p.has(4, ERROR_TUNNEL_SHORT)) return -1;
  const at = p.cursor;
  const flags = view.getUint16(at);
  const protocol = view.getUint16(at + 2);
  // Version 1 is PPTP; source routes (RFC 1701) were withdrawn.
  if ((flags & (VERSION | FLAG_ROUTING)) !== 0) return -1;
  if (protocol !== ETHERTYPE_IPV4 && protocol !== ETHERTYPE_IPV6 && protocol !== ETHERTYPE_TEB) {
    return -1;
  }
  let length = 4;
  if ((flags & FLAG_CHECKSUM) !== 0) length += 4;
  const keyAt = at + length;
  if ((flags & FLAG_KEY) !== 0) length += 4;
  if ((flags & FLAG_SEQUENCE) !== 0) length += 4;
  if (!p.has(length, ERROR_TUNNEL_SHORT)) return -1;
  if (!enterEncapsulation(p, OUTER_GRE)) return -1;
  if ((flags & FLAG_KEY) !== 0) p.greKey = view.getUint32(keyAt);
  p.cursor = at + length;
  return protocol;
}
