/** RTM_NEWADDR and RTM_NEWNEIGH: addresses, neighbours, forwarding entries. */
import type { ForwardingEntry, InterfaceAddress, Neighbour } from './description.js';
import type { IpAddress } from './ip-address.js';
import { addressAt } from './netlink-address.js';
import { attributesOf, bytesOf, messagesOf, requireBytes } from './netlink-message.js';

const RTM_NEWADDR = 20;
const RTM_NEWNEIGH = 28;
/** struct ifaddrmsg: family, prefix length, flags, scope, index. */
const IFADDRMSG = 8;
/** struct ndmsg: family, padding, index, state, flags, type. */
const NDMSG = 12;
const IFA = { address: 1, local: 2 } as const;
const NDA = { dst: 1, lladdr: 2 } as const;
const AF_BRIDGE = 7;

/** @throws NetlinkError `NETLINK_MALFORMED` */
export function decodeAddresses(data: Uint8Array): InterfaceAddress[] {
  const addresses: InterfaceAddress[] = [];
  for (const { type, body } of messagesOf(data)) {
    if (type !== RTM_NEWADDR) continue;
    requireBytes(body, IFADDRMSG);
    const attributes = attributesOf(body, IFADDRMSG);
    // With a peer, IFA_ADDRESS is the peer's.
    const address = addressAt(attributes, IFA.local) ?? addressAt(attributes, IFA.address);
    if (address === null) continue;
    addresses.push({ ifindex: body.getUint32(4, true), address, length: body.getUint8(1) });
  }
  return addresses;
}

/** @throws NetlinkError `NETLINK_MALFORMED` */
export function decodeNeighbours(data: Uint8Array): Neighbour[] {
  return [...entries(data)].flatMap(({ family, ifindex, address, mac }) =>
    family === AF_BRIDGE ? [] : [{ ifindex, address, mac }],
  );
}

/** @throws NetlinkError `NETLINK_MALFORMED` */
export function decodeForwarding(data: Uint8Array): ForwardingEntry[] {
  return [...entries(data)].flatMap(({ family, ifindex, address, mac }) =>
    family === AF_BRIDGE ? [{ ifindex, dst: address, mac }] : [],
  );
}

function* entries(data: Uint8Array): Generator<{
  readonly family: number;
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly mac: string;
}> {
  for (const { type, body } of messagesOf(data)) {
    if (type !== RTM_NEWNEIGH) continue;
    requireBytes(body, NDMSG);
    const attributes = attributesOf(body, NDMSG);
    const address = addressAt(attributes, NDA.dst);
    const mac = attributes.get(NDA.lladdr);
    if (address === null || mac === undefined) continue;
    yield {
      ...{ family: body.getUint8(0), ifindex: body.getInt32(4, true), address },
      mac: Buffer.from(bytesOf(mac)).toString('hex'),
    };
  }
}
