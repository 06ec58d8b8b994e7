import { DecodedPacket } from '../../src/packet/decoded-packet.js';

export type Summary = Record<string, string | number | boolean>;

/** The decoder's own state while it walks, of no meaning afterwards. */
const INTERNAL: ReadonlySet<string> = new Set(['cursor', 'limit', 'end']);

const FRESH = new DecodedPacket();

/** Names of the fields that carry a result, in the order of the class. */
export const RESULT_FIELDS = (Object.keys(FRESH) as (keyof DecodedPacket)[]).filter(
  (name) => !INTERNAL.has(name),
) as readonly (keyof DecodedPacket)[];

/** The value a field has in a packet of which nothing is known. */
export function absent(name: keyof DecodedPacket): unknown {
  return FRESH[name];
}

const ADDRESS: readonly (readonly [string, RegExp, (p: DecodedPacket) => string])[] = [
  ['src', /^src[0-3]$/, (p) => p.srcText()],
  ['dst', /^dst[0-3]$/, (p) => p.dstText()],
  ['outerSrc', /^outerSrc[0-3]$/, (p) => p.outerSrcText()],
  ['outerDst', /^outerDst[0-3]$/, (p) => p.outerDstText()],
  ['embeddedSrc', /^embeddedSrc[0-3]$/, (p) => p.embeddedSrcText()],
  ['embeddedDst', /^embeddedDst[0-3]$/, (p) => p.embeddedDstText()],
  ['macSrc', /^macSrc(Hi|Lo)$/, (p) => p.macSrc()],
  ['macDst', /^macDst(Hi|Lo)$/, (p) => p.macDst()],
  ['innerMacSrc', /^innerMacSrc(Hi|Lo)$/, (p) => p.innerMacSrc()],
  ['innerMacDst', /^innerMacDst(Hi|Lo)$/, (p) => p.innerMacDst()],
  ['arpSenderMac', /^arpSenderMac(Hi|Lo)$/, (p) => p.arpSenderMac()],
  ['arpTargetMac', /^arpTargetMac(Hi|Lo)$/, (p) => p.arpTargetMac()],
  ['arpSenderIp', /^arpSenderIp$/, (p) => p.arpSenderText()],
  ['arpTargetIp', /^arpTargetIp$/, (p) => p.arpTargetText()],
];

/**
 * What a packet says, with nothing left out: every field that differs from that of
 * a packet of which nothing is known, addresses as text.
 */
export function summary(p: DecodedPacket): Summary {
  const result: Summary = {};
  for (const name of RESULT_FIELDS) {
    const value = p[name];
    if (value === absent(name)) continue;
    const address = ADDRESS.find(([, pattern]) => pattern.test(name));
    if (address !== undefined) result[address[0]] = address[2](p);
    else result[name] = value as string | number | boolean;
  }
  return result;
}
