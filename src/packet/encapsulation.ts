import type { EncapsulationType } from 'hopscope-protocol';
import {
  type DecodedPacket,
  OUTER_GENEVE,
  OUTER_GRE,
  OUTER_IP6TNL,
  OUTER_IPIP,
  OUTER_SIT,
  OUTER_VXLAN,
  OUTER_WIREGUARD,
  UNKNOWN_END,
} from './decoded-packet.js';
import { ERROR_NESTING } from './packet-error.js';

/** Tunnels in one another that are followed; one more is an error and stays opaque. */
export const MAX_ENCAPSULATIONS = 4;

/**
 * Turns the packet just read into the outer one. Returns false, with the error
 * set, at the limit: the packet then counts as the innermost.
 */
export function enterEncapsulation(p: DecodedPacket, type: number): boolean {
  if (!keepAsOuter(p, type)) return false;
  // Of a fragmented outer packet only the first part is here: the inner one may go on.
  if (p.moreFragments) p.end = UNKNOWN_END;
  p.resetInner();
  return true;
}

/** Copies the packet just read to the outer fields and leaves it as the innermost, too. */
export function keepAsOuter(p: DecodedPacket, type: number): boolean {
  if (p.depth === MAX_ENCAPSULATIONS) {
    p.fail(ERROR_NESTING);
    return false;
  }
  p.depth++;
  p.outerType = type;
  p.outerFamily = p.family;
  p.outerSrc0 = p.src0;
  p.outerSrc1 = p.src1;
  p.outerSrc2 = p.src2;
  p.outerSrc3 = p.src3;
  p.outerDst0 = p.dst0;
  p.outerDst1 = p.dst1;
  p.outerDst2 = p.dst2;
  p.outerDst3 = p.dst3;
  p.outerSport = p.sport;
  p.outerDport = p.dport;
  p.outerTtl = p.ttl;
  p.outerTos = p.tos;
  p.outerId = p.ipId;
  p.outerDontFragment = p.dontFragment;
  p.outerMoreFragments = p.moreFragments;
  p.outerLength = p.ipLength;
  p.outerOffset = p.innerOffset;
  p.vni = -1;
  p.greKey = -1;
  p.overhead = 0;
  p.hasInnerMac = false;
  p.innerMacSrcHi = 0;
  p.innerMacSrcLo = 0;
  p.innerMacDstHi = 0;
  p.innerMacDstLo = 0;
  return true;
}

/** The names that records have, by `outerType`. */
export const ENCAPSULATION_NAMES: ReadonlyMap<number, EncapsulationType> = new Map([
  [OUTER_IPIP, 'ipip'],
  [OUTER_VXLAN, 'vxlan'],
  [OUTER_GRE, 'gre'],
  [OUTER_GENEVE, 'geneve'],
  [OUTER_IP6TNL, 'ip6tnl'],
  [OUTER_SIT, 'sit'],
  [OUTER_WIREGUARD, 'wireguard'],
] as const);

/** @throws RangeError where no tunnel has the number */
export function encapsulationName(outerType: number): EncapsulationType {
  const name = ENCAPSULATION_NAMES.get(outerType);
  if (name === undefined) throw new RangeError(`no encapsulation has the number ${outerType}`);
  return name;
}
