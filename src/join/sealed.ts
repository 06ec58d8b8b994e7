import { type DecodedPacket, OUTER_WIREGUARD } from '../packet/decoded-packet.js';
import * as layout from '../wire/layout.gen.js';
import type { Device } from './device-table.js';
import type { Hop, Outer } from './hop.js';
import { outerOf } from './outer.js';
import type { Path } from './path.js';
import { describePacket } from './path-packet.js';
import type { Tuple } from './tuple.js';

const KIND = 'wireguard';
/** Inner packets are padded to a multiple of it (drivers/net/wireguard/messages.h). */
const PADDING = 16;

/**
 * An encrypted packet. WireGuard encrypts and decrypts in place: from its device to the
 * wire and back a packet stays in one struct sk_buff (drivers/net/wireguard/send.c and
 * receive.c), which is what joins the two sides. The counter is used once with a key.
 */
export interface Encrypted {
  readonly receiver: number;
  readonly counter: number;
  /** Of the inner packet with its padding, bytes. */
  readonly bytes: number;
  /** What it was sent in, newest last: more than one when addresses were translated. */
  readonly outers: readonly Outer[];
}

/** What is known of an encrypted packet at this hop. */
export function seal(p: DecodedPacket, before: Sealed | null, device: Device): Sealed {
  const last = before?.outers[before.outers.length - 1] ?? null;
  const outer = outerOf(p, last, device);
  if (before !== null && outer === last && isSealedOf(before, p)) {
    return before;
  }
  return {
    receiver: p.wireguardReceiver,
    counter: p.wireguardCounter,
    bytes: sealedBytes(p),
    outers: [...(before?.outers ?? []), outer],
  };
}

export function isSealedOf(sealed: Sealed, p: DecodedPacket): boolean {
  return sealed.receiver === p.wireguardReceiver && sealed.counter === p.wireguardCounter;
}

/** Whether a hop is the last at which a packet can be read before it is encrypted. */
export function isIntoSeal(hop: Hop | undefined): boolean {
  return hop?.stage === layout.STAGE_EGRESS && hop.device.kind === KIND;
}

/** Whether an encrypted packet can be what its buffer held at the hop before. */
export function wasSealedInto(before: Hop | undefined, p: DecodedPacket): boolean {
  return before !== undefined && isIntoSeal(before) && isPaddedTo(before.ipLength, sealedBytes(p));
}

/**
 * Whether what a WireGuard device gives is the packet that its buffer held encrypted.
 * Where segments were merged into it, it is the first of them that was there.
 *
 * @param gsoSize payload of a segment, bytes; 0 for a packet that is no super-packet
 */
export function unsealsTo(path: Path, p: DecodedPacket, device: Device, gsoSize: number): boolean {
  if (path.sealed === null || path.ended || device.kind !== KIND || p.family === 0) {
    return false;
  }
  if (path.last?.outer?.type === OUTER_WIREGUARD) {
    // What it carries was known before, and is compared as ever.
    return false;
  }
  return isPaddedTo(firstLength(p, gsoSize), path.sealed.bytes);
}

/** Tells of the hops behind a path what could not be read there. */
export function unseal(path: Path, p: DecodedPacket, tuple: Tuple, gsoSize: number): void {
  const length = firstLength(p, gsoSize);
  const outers = path.sealed?.outers ?? [];
  for (const hop of path.hops) {
    const sealedIn = hop.tuple;
    hop.outer = outers.find((outer) => sealedIn !== null && isOfTuple(outer, sealedIn)) ?? null;
    hop.tuple = tuple;
    hop.ttl = p.ttl;
    hop.ipId = p.ipId;
    hop.tcpFlags = p.tcpFlags;
    hop.ipLength = length;
  }
  describePacket(path, p);
  path.sealed = null;
}

/** Bytes of a packet, or of the first segment that a super-packet was merged from. */
function firstLength(p: DecodedPacket, gsoSize: number): number {
  const merged = gsoSize > 0 && p.payloadLength > gsoSize ? p.payloadLength - gsoSize : 0;
  return p.ipLength - merged;
}

function isOfTuple(outer: Outer, tuple: Tuple): boolean {
  return (
    outer.srcLow === tuple.src3 &&
    outer.dstLow === tuple.dst3 &&
    outer.sport === tuple.sport &&
    outer.dport === tuple.dport
  );
}

function sealedBytes(p: DecodedPacket): number {
  return p.ipLength - p.overhead;
}

/** The padding ends at the device's MTU, so it may be short (calculate_skb_padding). */
function isPaddedTo(length: number, padded: number): boolean {
  return padded >= length && padded < length + PADDING;
}
