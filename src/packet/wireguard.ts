import { type DecodedPacket, OUTER_WIREGUARD } from './decoded-packet.js';
import { keepAsOuter } from './encapsulation.js';

/** Port that wg-quick, Calico and Cilium examples use; the protocol fixes none. */
export const WIREGUARD_PORT = 51820;
/** Port of Calico's second device, for pods' IPv6. */
export const WIREGUARD_PORT_CALICO_V6 = 51821;

const TRANSPORT_DATA = 4;
const HEADER = 16;
const TAG = 16;

/*
 * WireGuard transport data (protocol paper, 5.4.6), all little-endian:
 *
 *    0      1            4             8                  16
 *   +------+------------+-------------+------------------+------------+-----+
 *   | 4    | 0 0 0      | receiver    | counter          | ciphertext | tag |
 *   +------+------------+-------------+------------------+------------+-----+
 *
 * The tag is 16 bytes; the ciphertext is the inner packet padded to 16.
 */

/** Whether a UDP packet between these ports may be WireGuard's. */
export function isWireguardPort(port: number): boolean {
  return port === WIREGUARD_PORT || port === WIREGUARD_PORT_CALICO_V6;
}

/**
 * Marks a transport data message. The inner packet cannot be read, so the UDP
 * packet stays the innermost one, and is the outer one as well.
 */
export function wireguardMessage(p: DecodedPacket, view: DataView): void {
  const at = p.cursor;
  // Handshakes and other users of the port are plain UDP, not tunnels.
  if (p.end - at < HEADER + TAG) return;
  if (p.limit - at < HEADER) {
    p.truncated = true;
    return;
  }
  if (view.getUint32(at, true) !== TRANSPORT_DATA) return;
  if (!keepAsOuter(p, OUTER_WIREGUARD)) return;
  p.wireguardReceiver = view.getUint32(at + 4, true);
  p.wireguardCounter = view.getUint32(at + 12, true) * 0x100000000 + view.getUint32(at + 8, true);
  p.overhead = at - p.innerOffset + HEADER + TAG;
}
