import { decodeEthernet, decodeNetwork } from '../packet/decode.js';
import { type DecodedPacket, OUTER_NONE, OUTER_WIREGUARD } from '../packet/decoded-packet.js';
import * as layout from '../wire/layout.gen.js';
import type { TrailCursor } from '../wire/trail-cursor.js';
import type { Device } from './device-table.js';
import { isLastPlaintextHop } from './encrypted.js';
import type { Headers } from './headers.js';
import { type LinkAddresses, linkAddressesAt, linkAddressesOf } from './link-addresses.js';
import { type Outer, outerOf } from './outer.js';
import { tupleOf } from './packet-tuple.js';
import type { Path } from './path.js';
import type { Place } from './place.js';
import type { Tuple } from './tuple.js';
import type { TupleTable } from './tuple-table.js';

/** Decodes the snapshot of a hop; true when it begins with a link header. */
export function decodeSnapshot(p: DecodedPacket, hop: TrailCursor): boolean {
  const length = hop.snapshotU16(layout.SNAPSHOT_LENGTH);
  const hasLink = hop.snapshotU16(layout.SNAPSHOT_L3_OFFSET) >= layout.LENGTH_LINK;
  if (hasLink) {
    decodeEthernet(p, hop.view, hop.bytes, length, hop.len);
  } else {
    const protocol = hop.snapshotU16(layout.SNAPSHOT_PROTOCOL);
    decodeNetwork(p, hop.view, hop.bytes, length, protocol, hop.len);
  }
  return hasLink;
}

/**
 * What a decoded snapshot says, and where it does not say, what is known of the packet:
 * the ports of a fragment after the first, the inside of an encrypted packet.
 *
 * @param mac of the frame before in the same trail
 */
export function headersOf(
  p: DecodedPacket,
  hop: TrailCursor,
  device: Device,
  path: Path,
  mac: LinkAddresses | null,
  tuples: TupleTable,
): Headers {
  const { columns } = path;
  // Of a trail that another CPU has seen a part of, hops are there that come after this one.
  const at = Math.max(columns.indexAt(hop.time), 0);
  const last = columns.length === 0 ? null : (columns.headers[at] as Headers);
  const isEncrypted = p.outerType === OUTER_WIREGUARD;
  let tuple: Tuple | null = last?.tuple ?? null;
  let outer: Outer | null = null;
  let { ttl, ipId } = p;
  let ipLength = p.family === 0 ? (last?.ipLength ?? 0) : p.ipLength;
  let isPlain = p.family !== 0 && p.outerType === OUTER_NONE;
  if (isEncrypted && last !== null && last.tuple !== null && isReadable(last, columns.place[at])) {
    // The inner packet is encrypted here, but the buffer says whose it is.
    outer = outerOf(p, last.outer, device);
    ttl = columns.ttl[at] as number;
    ipId = last.ipId;
    ipLength = last.ipLength;
    isPlain = false;
  } else if (p.fragmentOffset > 0 && (last !== null || path.parent !== null)) {
    // Ports are in the first fragment only.
    tuple = (last ?? path.parent?.lastHeaders ?? null)?.tuple ?? null;
    outer = p.outerType === OUTER_NONE ? null : outerOf(p, last?.outer ?? null, device);
  } else if (p.family !== 0 || p.isArp) {
    tuple = tupleOf(p, last?.tuple ?? null, tuples);
    outer =
      p.outerType === OUTER_NONE || isEncrypted ? null : outerOf(p, last?.outer ?? null, device);
    // Of an encrypted packet only the header around it can be read: it counts as the packet.
    isPlain ||= isEncrypted;
  }
  const isFragment = p.error === 0 && (p.moreFragments || p.fragmentOffset > 0);
  return {
    tuple,
    outer,
    mac: macOf(p, hop, mac ?? last?.mac ?? null, device),
    ipLength,
    ipId,
    ttl,
    isPlain,
    tcpFlags: p.tcpFlags < 0 ? (last?.tcpFlags ?? path.tcpFlags) : p.tcpFlags,
    gsoSize: hop.snapshotU16(layout.SNAPSHOT_GSO_SIZE),
    gsoSegs: hop.snapshotU16(layout.SNAPSHOT_GSO_SEGS),
    vlanId: p.vlanId >= 0 ? p.vlanId : offloadedVlanId(hop),
    vlanProto: p.vlanId >= 0 ? p.vlanProto : hop.snapshotU16(layout.SNAPSHOT_VLAN_PROTO),
    fragmentOffset: isFragment ? p.fragmentOffset : -1,
    moreFragments: isFragment && p.moreFragments,
  };
}

/** The same headers in a frame with other link addresses. */
export function withLink(headers: Headers, hop: TrailCursor, device: Device): Headers {
  const mac = linkAddressesAt(hop.view, hop.link, headers.mac, device);
  return mac === headers.mac ? headers : { ...headers, mac };
}

/** Whether it is known what the path carries: it is not encrypted, or was seen before. */
function isReadable(last: Headers, place: Place | undefined): boolean {
  return last.outer?.type === OUTER_WIREGUARD || isLastPlaintextHop(place ?? null);
}

function macOf(
  p: DecodedPacket,
  hop: TrailCursor,
  last: LinkAddresses | null,
  device: Device,
): LinkAddresses | null {
  const hasLink = hop.snapshotU16(layout.SNAPSHOT_L3_OFFSET) >= layout.LENGTH_LINK;
  return hasLink && p.hasMac ? linkAddressesOf(p, last, device) : last;
}

/** Id of a tag that is not in the bytes; -1 without one. */
function offloadedVlanId(hop: TrailCursor): number {
  const isTagged = hop.snapshotU16(layout.SNAPSHOT_VLAN_PROTO) !== 0;
  return isTagged ? hop.snapshotU16(layout.SNAPSHOT_VLAN_TCI) & 0xfff : -1;
}
