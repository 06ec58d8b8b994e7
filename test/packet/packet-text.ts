import { addressText, ipv4Text, macText } from '../../src/packet/address-text.js';
import type { DecodedPacket } from '../../src/packet/decoded-packet.js';

/** The addresses of a packet as text, by the name of their fields; empty where it has none. */
export const PACKET_TEXT = {
  src: (p) => addressText(p.family, p.src0, p.src1, p.src2, p.src3),
  dst: (p) => addressText(p.family, p.dst0, p.dst1, p.dst2, p.dst3),
  outerSrc: (p) => addressText(p.outerFamily, p.outerSrc0, p.outerSrc1, p.outerSrc2, p.outerSrc3),
  outerDst: (p) => addressText(p.outerFamily, p.outerDst0, p.outerDst1, p.outerDst2, p.outerDst3),
  quotedSrc: (p) =>
    addressText(p.quotedFamily, p.quotedSrc0, p.quotedSrc1, p.quotedSrc2, p.quotedSrc3),
  quotedDst: (p) =>
    addressText(p.quotedFamily, p.quotedDst0, p.quotedDst1, p.quotedDst2, p.quotedDst3),
  macSrc: (p) => macText(p.macSrcHi, p.macSrcLo),
  macDst: (p) => macText(p.macDstHi, p.macDstLo),
  innerMacSrc: (p) => macText(p.innerMacSrcHi, p.innerMacSrcLo),
  innerMacDst: (p) => macText(p.innerMacDstHi, p.innerMacDstLo),
  arpSenderMac: (p) => macText(p.arpSenderMacHi, p.arpSenderMacLo),
  arpTargetMac: (p) => macText(p.arpTargetMacHi, p.arpTargetMacLo),
  arpSenderIp: (p) => (p.isArp ? ipv4Text(p.arpSenderIp) : ''),
  arpTargetIp: (p) => (p.isArp ? ipv4Text(p.arpTargetIp) : ''),
} as const satisfies Readonly<Record<string, (p: DecodedPacket) => string>>;

export type PacketTextName = keyof typeof PACKET_TEXT;

export function hasPacketText(name: string): name is PacketTextName {
  return Object.hasOwn(PACKET_TEXT, name);
}
