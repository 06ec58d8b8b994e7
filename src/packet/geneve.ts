import { type DecodedPacket, OUTER_GENEVE } from './decoded-packet.js';
import { enterEncapsulation } from './encapsulation.js';
import { ERROR_TUNNEL_SHORT } from './packet-error.js';

export const GENEVE_PORT = 6081;

const HEADER = 8;

/*
 * Geneve (RFC 8926), then options, then what the protocol says (an EtherType,
 * 0x6558 for an Ethernet frame):
 *
 *    0               1              2          4              7     8
 *   +-----+---------+---+---+------+----------+--------------+-----+
 *   |ver 2|optlen 6 | O | C | rsv  | protocol |     VNI      | rsv |
 *   +-----+---------+---+---+------+----------+--------------+-----+
 *
 * The length of the options is in units of 4 bytes.
 */

/** Enters the packet inside. Returns its EtherType, or -1 where this is no Geneve. */
export function geneveHeader(p: DecodedPacket, view: DataView): number {
  if (!p.has(HEADER, ERROR_TUNNEL_SHORT)) return -1;
  const at = p.cursor;
  const first = view.getUint8(at);
  if (first >> 6 !== 0) return -1;
  const length = HEADER + ((first & 0x3f) << 2);
  if (at + length > p.end) {
    p.fail(ERROR_TUNNEL_SHORT);
    return -1;
  }
  const protocol = view.getUint16(at + 2);
  const vni = view.getUint32(at + 4) >>> 8;
  if (!enterEncapsulation(p, OUTER_GENEVE)) return -1;
  p.vni = vni;
  p.cursor = at + length;
  return protocol;
}
