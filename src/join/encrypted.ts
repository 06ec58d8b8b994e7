import { type DecodedPacket, OUTER_WIREGUARD } from '../packet/decoded-packet.js';
import * as layout from '../wire/layout.gen.js';
import type { Device } from './device-table.js';
import type { Headers } from './headers.js';
import { type Outer, outerOf } from './outer.js';
import type { Path } from './path.js';
import { describePacket } from './path-packet.js';
import type { Place } from './place.js';
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
export function encryptedOf(p: DecodedPacket, before: Encrypted | null, device: Device): Encrypted {
  const last = before?.outers[before.outers.length - 1] ?? null;
  const outer = outerOf(p, last, device);
  if (before !== null && outer === last && isSameEncrypted(before, p)) {
    return before;
  }
  return {
    receiver: p.wireguardReceiver,
    counter: p.wireguardCounter,
    bytes: encryptedBytes(p),
    outers: [...(before?.outers ?? []), outer],
  };
}

export function isSameEncrypted(encrypted: Encrypted, p: DecodedPacket): boolean {
  return encrypted.receiver === p.wireguardReceiver && encrypted.counter === p.wireguardCounter;
}

/** Whether a hop is the last at which a packet can be read before it is encrypted. */
export function isLastPlaintextHop(place: Place | null): boolean {
  return place !== null && place.stage === layout.STAGE_EGRESS && place.device.kind === KIND;
}

/**
 * Whether a packet was cut into segments by the tunnel device itself, which encrypts them before
 * anybody sees them: its buffer is released there, and that is not its end.
 */
export function isCutInTunnel(path: Path): boolean {
  return path.gsoTuples.length > 0 && isLastPlaintextHop(path.lastPlace);
}

/** Whether an encrypted packet can be what its buffer held at the hop before. */
export function mayBeEncryptionOf(path: Path, p: DecodedPacket): boolean {
  return (
    isLastPlaintextHop(path.lastPlace) &&
    isPaddedTo(path.lastHeaders?.ipLength ?? 0, encryptedBytes(p))
  );
}

/**
 * Whether what a WireGuard device gives is the packet that its buffer held encrypted.
 * Where segments were merged into it, it is the first of them that was there.
 *
 * @param gsoSize payload of a segment, bytes; 0 for a packet that is no GSO packet
 */
export function mayBeDecryptionOf(
  path: Path,
  p: DecodedPacket,
  device: Device,
  gsoSize: number,
  time: number,
): boolean {
  if (path.encrypted === null || path.isOverAt(time) || device.kind !== KIND || p.family === 0) {
    return false;
  }
  if (path.lastHeaders?.outer?.type === OUTER_WIREGUARD) {
    // What it carries was known before, and is compared as ever.
    return false;
  }
  return isPaddedTo(firstLength(p, gsoSize), path.encrypted.bytes);
}

/** Gives the hops so far what could not be read there. */
export function decrypt(path: Path, p: DecodedPacket, tuple: Tuple, gsoSize: number): void {
  const ipLength = firstLength(p, gsoSize);
  const outers = path.encrypted?.outers ?? [];
  const { columns } = path;
  const known = new Map<Headers, Headers>();
  for (let at = 0; at < columns.length; at++) {
    const before = columns.headers[at] as Headers;
    let headers = known.get(before);
    if (headers === undefined) {
      const sentIn = before.tuple;
      headers = {
        ...before,
        outer: outers.find((outer) => sentIn !== null && isOfTuple(outer, sentIn)) ?? null,
        tuple,
        ttl: p.ttl,
        isPlain: false,
        ipId: p.ipId,
        tcpFlags: p.tcpFlags,
        ipLength,
      };
      known.set(before, headers);
    }
    columns.headers[at] = headers;
    columns.ttl[at] = p.ttl;
  }
  describePacket(path, p);
  path.encrypted = null;
}

/** Bytes of a packet, or of the first segment that a GSO packet was merged from. */
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

function encryptedBytes(p: DecodedPacket): number {
  return p.ipLength - p.overhead;
}

/** The padding ends at the device's MTU, so it may be short (calculate_skb_padding). */
function isPaddedTo(length: number, padded: number): boolean {
  return padded >= length && padded < length + PADDING;
}
