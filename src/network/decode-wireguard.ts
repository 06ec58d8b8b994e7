/** WireGuard's peers, by generic netlink (include/uapi/linux/wireguard.h, genetlink.h). */
import type { TunnelPeer } from './description.js';
import { addressFromBytes, type IpAddress, type Prefix } from './ip-address.js';
import {
  type Attributes,
  attributesOf,
  bytesOf,
  eachAttribute,
  messagesOf,
  requireBytes,
  u8,
  u32,
} from './netlink-message.js';

/** struct genlmsghdr: command, version, reserved. */
const GENLMSGHDR = 4;
const CTRL_ATTR_FAMILY_ID = 1;
const DEVICE = { listenPort: 6, fwmark: 7, peers: 8 } as const;
const PEER = { endpoint: 4, allowed: 9 } as const;
const ALLOWED = { address: 2, length: 3 } as const;
const AF_INET = 2;
const AF_INET6 = 10;
/** Peers of one device that are kept. */
export const WIREGUARD_PEER_LIMIT = 65_536;

export interface WireguardDevice {
  readonly mark: number;
  readonly listens: number | null;
  readonly peers: readonly TunnelPeer[];
}

/** The number of a generic netlink family, of the answer to CTRL_CMD_GETFAMILY; null without. */
export function decodeFamilyId(data: Uint8Array): number | null {
  for (const { body } of messagesOf(data)) {
    requireBytes(body, GENLMSGHDR);
    const value = attributesOf(body, GENLMSGHDR).get(CTRL_ATTR_FAMILY_ID);
    if (value !== undefined && value.byteLength >= 2) return value.getUint16(0, true);
  }
  return null;
}

/**
 * Of the answer to WG_CMD_GET_DEVICE, which may come in several messages.
 *
 * @throws NetlinkError `NETLINK_MALFORMED`
 */
export function decodeWireguard(data: Uint8Array): WireguardDevice {
  let mark = 0;
  let listens: number | null = null;
  const peers: TunnelPeer[] = [];
  for (const { body } of messagesOf(data)) {
    requireBytes(body, GENLMSGHDR);
    const attributes = attributesOf(body, GENLMSGHDR);
    mark = u32(attributes, DEVICE.fwmark) ?? mark;
    const port = attributes.get(DEVICE.listenPort);
    if (port !== undefined && port.byteLength >= 2) listens = port.getUint16(0, true);
    const list = attributes.get(DEVICE.peers);
    if (list === undefined) continue;
    for (const [, value] of eachAttribute(list)) {
      if (peers.length < WIREGUARD_PEER_LIMIT) peers.push(decodePeer(attributesOf(value)));
    }
  }
  return { mark, listens, peers };
}

function decodePeer(attributes: Attributes): TunnelPeer {
  const allowed = attributes.get(PEER.allowed);
  const endpoint = attributes.get(PEER.endpoint);
  return {
    endpoint: endpoint === undefined ? null : decodeEndpoint(endpoint),
    // Of sockaddr_in and sockaddr_in6 alike.
    port: endpoint === undefined || endpoint.byteLength < 4 ? null : endpoint.getUint16(2),
    allowed:
      allowed === undefined
        ? []
        : [...eachAttribute(allowed)].flatMap(([, value]) => decodeAllowed(attributesOf(value))),
  };
}

/** struct sockaddr_in or sockaddr_in6. */
function decodeEndpoint(value: DataView): IpAddress | null {
  if (value.byteLength < 8) return null;
  const family = value.getUint16(0, true);
  const bytes = bytesOf(value);
  if (family === AF_INET) return addressFromBytes(bytes.subarray(4, 8));
  return family === AF_INET6 ? addressFromBytes(bytes.subarray(8, 24)) : null;
}

function decodeAllowed(attributes: Attributes): Prefix[] {
  const value = attributes.get(ALLOWED.address);
  const address = value === undefined ? null : addressFromBytes(bytesOf(value));
  const length = u8(attributes, ALLOWED.length);
  return address === null || length === null ? [] : [{ ...address, length }];
}
