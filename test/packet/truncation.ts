import type { DecodedPacket } from '../../src/packet/decoded-packet.js';
import { absent, RESULT_FIELDS } from './summary.js';

/** Fields of the network and transport headers, which move to the outer ones after a tunnel header. */
const MOVED: readonly (readonly [keyof DecodedPacket, keyof DecodedPacket])[] = [
  ['family', 'outerFamily'],
  ['src0', 'outerSrc0'],
  ['src1', 'outerSrc1'],
  ['src2', 'outerSrc2'],
  ['src3', 'outerSrc3'],
  ['dst0', 'outerDst0'],
  ['dst1', 'outerDst1'],
  ['dst2', 'outerDst2'],
  ['dst3', 'outerDst3'],
  ['sport', 'outerSport'],
  ['dport', 'outerDport'],
  ['ttl', 'outerTtl'],
  ['tos', 'outerTos'],
  ['ipId', 'outerId'],
  ['dontFragment', 'outerDontFragment'],
  ['moreFragments', 'outerMoreFragments'],
  ['ipLength', 'outerLength'],
  ['innerOffset', 'outerOffset'],
];

/**
 * Fields that later bytes may better: lengths, known from the network header and again
 * from the transport header; and TCP options, of which the last of a kind counts.
 */
const REFINED: ReadonlySet<keyof DecodedPacket> = new Set([
  'payloadLength',
  'ipLength',
  'tcpMss',
  'tcpWindowScale',
]);
const LINK = RESULT_FIELDS.slice(0, RESULT_FIELDS.indexOf('outerType'));

/**
 * What is wrong between the decoding of a packet's first bytes and that of all of
 * them, or null. A cut packet may know less, never something else: as long as both
 * stand before the same tunnel every field agrees or is absent; when the tunnel was
 * cut away, the cut packet's addresses are the whole one's outer ones.
 */
export function disagreement(cut: DecodedPacket, whole: DecodedPacket): string | null {
  if (cut.depth > whole.depth) return `depth ${cut.depth} of ${whole.depth}`;
  if (cut.error !== 0 && cut.error !== whole.error) return `error ${cut.error} is new`;
  if (!cut.truncated) {
    for (const name of RESULT_FIELDS) {
      if (cut[name] !== whole[name]) return changed(name, cut, whole);
    }
    return null;
  }
  for (const name of LINK) {
    if (cut[name] !== absent(name) && cut[name] !== whole[name]) return changed(name, cut, whole);
  }
  if (cut.depth === whole.depth) {
    for (const name of RESULT_FIELDS) {
      if (name === 'truncated' || REFINED.has(name)) continue;
      if (cut[name] !== absent(name) && cut[name] !== whole[name]) return changed(name, cut, whole);
    }
  } else if (cut.depth === whole.depth - 1) {
    for (const [inner, outer] of MOVED) {
      if (cut[inner] !== absent(inner) && cut[inner] !== whole[outer]) {
        return `${inner} ${String(cut[inner])}, whole ${outer} ${String(whole[outer])}`;
      }
    }
  }
  return null;
}

function changed(name: keyof DecodedPacket, cut: DecodedPacket, whole: DecodedPacket): string {
  return `${name} ${String(cut[name])}, whole ${String(whole[name])}`;
}
