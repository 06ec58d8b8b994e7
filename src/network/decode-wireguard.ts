/** WireGuard's peers, by generic netlink (include/uapi/linux/wireguard.h, genetlink.h). */
import type { TunnelPeer } from './description.js';
import { addressFromBytes, type IpAddress, type Prefix } from './ip-address.js';
import { addressAt, FAMILY_OF } from './netlink-address.js';
import {
  type Attributes,
  attributesOf,
  bytesOf,
  eachAttribute,
  messagesOf,
  requireBytes,
  u8,
  u16,
  u32,
} from './netlink-message.js';

/** struct genlmsghdr: command, version, reserved. */
const GENLMSGHDR = 4;
const CTRL_ATTR_FAMILY_ID = 1;
const DEVICE = { listenPort: 6, fwmark: 7, peers: 8 } as const;
const PEER = { endpoint: 4, allowed: 9 } as const;
const ALLOWED = { address: 2, length: 3 } as const;
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
    const id = u16(attributesOf(body, GENLMSGHDR), CTRL_ATTR_FAMILY_ID);
    if (id !== null) return id;
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
    listens = u16(attributes, DEVICE.listenPort) ?? listens;
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
  const family = FAMILY_OF[value.getUint16(0, true)];
  const bytes = bytesOf(value);
  if (family === 4) return addressFromBytes(bytes.subarray(4, 8));
  return family === 6 ? addressFromBytes(bytes.subarray(8, 24)) : null;
}

function decodeAllowed(attributes: Attributes): Prefix[] {
  const address = addressAt(attributes, ALLOWED.address);
  const length = u8(attributes, ALLOWED.length);
  return address === null || length === null ? [] : [{ ...address, length }];
}
