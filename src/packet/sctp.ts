import type { DecodedPacket } from './decoded-packet.js';
import { ERROR_TRANSPORT_SHORT } from './packet-error.js';

const HEADER = 12;

/*
 * SCTP common header (RFC 9260):
 *
 *    0        2        4                 8                12
 *   +--------+--------+-----------------+-----------------+
 *   | source | dest   | verification tag| checksum        |
 *   +--------+--------+-----------------+-----------------+
 */

/** Reads the ports of an SCTP packet. */
export function sctpHeader(p: DecodedPacket, view: DataView): void {
  const at = p.cursor;
  if (Math.min(p.limit, p.end) - at >= 4) {
    p.sport = view.getUint16(at);
    p.dport = view.getUint16(at + 2);
  }
  if (p.end - at >= HEADER) p.payloadLength = p.end - at - HEADER;
  p.has(HEADER, ERROR_TRANSPORT_SHORT);
}
