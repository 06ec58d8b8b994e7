import { addressText } from '../packet/address-text.js';
import type { DecodedPacket } from '../packet/decoded-packet.js';
import type { Device } from './device-table.js';

/** A tunnel around a packet. */
export interface Outer {
  /** OUTER_* of packet/decoded-packet.ts. */
  readonly type: number;
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
  readonly vni: number;
  /** -1 where GRE has none, and for other tunnels. */
  readonly greKey: number;
  /** Bytes that it adds. */
  readonly overhead: number;
  /** The low words of both addresses and a fold of the rest: distinguishes two without text. */
  readonly srcLow: number;
  readonly dstLow: number;
  readonly key: number;
}

/** The tunnel around a packet, shared with its hop before or the device's packet before. */
export function outerOf(p: DecodedPacket, last: Outer | null, device: Device): Outer {
  const key = outerKey(p);
  if (last !== null && isOf(last, p, key)) {
    return last;
  }
  if (device.outer !== null && isOf(device.outer, p, key)) {
    return device.outer;
  }
  device.outer = {
    type: p.outerType,
    src: addressText(p.outerFamily, p.outerSrc0, p.outerSrc1, p.outerSrc2, p.outerSrc3),
    dst: addressText(p.outerFamily, p.outerDst0, p.outerDst1, p.outerDst2, p.outerDst3),
    sport: p.outerSport,
    dport: p.outerDport,
    vni: p.vni,
    greKey: p.greKey,
    overhead: p.overhead,
    srcLow: p.outerSrc3,
    dstLow: p.outerDst3,
    key,
  };
  return device.outer;
}

function isOf(outer: Outer, p: DecodedPacket, key: number): boolean {
  return (
    outer.srcLow === p.outerSrc3 &&
    outer.dstLow === p.outerDst3 &&
    outer.sport === p.outerSport &&
    outer.vni === p.vni &&
    outer.greKey === p.greKey &&
    outer.type === p.outerType &&
    outer.dport === p.outerDport &&
    outer.key === key
  );
}

/** Stands for the upper words of both addresses: 0 for IPv4, a fold for IPv6. */
function outerKey(p: DecodedPacket): number {
  let key = p.outerSrc0 ^ Math.imul(p.outerSrc1, 31) ^ Math.imul(p.outerSrc2, 0x85ebca6b);
  key = Math.imul(key, 0xc2b2ae35) ^ p.outerDst0;
  return key ^ Math.imul(p.outerDst1, 31) ^ Math.imul(p.outerDst2, 0x85ebca6b);
}
