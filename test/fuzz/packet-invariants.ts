import {
  type DecodedPacket,
  OUTER_NONE,
  OUTER_WIREGUARD,
  UNKNOWN_END,
} from '../../src/packet/decoded-packet.js';
import { MAX_ENCAPSULATIONS } from '../../src/packet/encapsulation.js';
import { PACKET_ERROR_COUNT } from '../../src/packet/packet-error.js';
import { absent, RESULT_FIELDS } from '../packet/summary.js';

const U8 = 0xff;
const U16 = 0xffff;
const U24 = 0xffffff;
const U32 = 0xffffffff;

/** Greatest value of each number, by name; least is -1 where that means absent, else 0. */
const GREATEST: readonly (readonly [RegExp, number])[] = [
  [/^(mac|innerMac|arp\w+Mac)\w*(Hi|Lo)$/, U24],
  [/^(src|dst|outerSrc|outerDst|quotedSrc|quotedDst)[0-3]$|^arp(Sender|Target)Ip$/, U32],
  [/^(vlanId|vlanInnerId)$/, 0xfff],
  [/^vlanPriority$/, 7],
  [/^(vlanProto|etherType|arpOp)$/, U16],
  [/^outerType$/, OUTER_WIREGUARD],
  [/^depth$/, MAX_ENCAPSULATIONS],
  [/^(family|outerFamily|quotedFamily)$/, 6],
  [/[sS]port$|[dD]port$/, U16],
  [/[tT]tl$|[tT]os$|[pP]rotocol$|^tcpFlags$|[iI]cmpType$|^icmpCode$/, U8],
  [/^(ipId|outerId|quotedIpId|icmpMtu|greKey|wireguardReceiver)$/, U32],
  [/^(tcpSeq|tcpAck|quotedTcpSeq)$/, U32],
  [/^(tcpWindow|tcpMss|icmpId|icmpSeq|quotedIcmpId|quotedIcmpSeq)$/, U16],
  [/^tcpWindowScale$/, U8],
  [/^wireguardCounter$/, 2 ** 64],
  [/^vni$/, U24],
  [/^fragmentOffset$/, 0x1fff * 8],
  [/^(ipLength|outerLength|payloadLength)$/, UNKNOWN_END],
  [/^quotedIpLength$/, U16 + 40],
  [/^(innerOffset|outerOffset|transportOffset|overhead)$/, 2 ** 16],
  [/^error$/, PACKET_ERROR_COUNT - 1],
];

const RANGES = RESULT_FIELDS.map((name) => {
  const least = absent(name);
  if (typeof least === 'boolean') return { name, least: 0, greatest: 1 };
  const greatest = GREATEST.find(([pattern]) => pattern.test(name))?.[1];
  if (greatest === undefined) throw new Error(`no range is written down for ${name}`);
  return { name, least: least as number, greatest };
});

/** What cannot be, whatever the bytes were; null when all is well. */
export function impossible(p: DecodedPacket): string | null {
  for (const { name, least, greatest } of RANGES) {
    const value = p[name];
    if (typeof value === 'boolean') continue;
    if (!(Number.isInteger(value) && (value as number) >= least && (value as number) <= greatest)) {
      return `${name} is ${String(value)}, not ${least} to ${greatest}`;
    }
  }
  const rules: readonly (readonly [string, boolean])[] = [
    ['families are 0, 4 or 6', [p.family, p.outerFamily, p.quotedFamily].every(isFamily)],
    [
      'IPv4 uses one word',
      p.family !== 4 || (p.src0 | p.src1 | p.src2 | p.dst0 | p.dst1 | p.dst2) === 0,
    ],
    ['an offset where there is a header', (p.family !== 0) === p.innerOffset >= 0],
    ['a tunnel where there is an outer packet', (p.outerType === OUTER_NONE) === (p.depth === 0)],
    ['an outer packet where there is a tunnel', (p.outerFamily !== 0) === p.depth > 0],
    ['ports of something', p.sport < 0 || p.family !== 0],
    ['ports come together', p.sport < 0 === p.dport < 0],
    ['no transport in a later fragment', p.fragmentOffset === 0 || p.transportOffset < 0],
    ['TCP fields of TCP', p.protocol === 6 || (p.tcpFlags < 0 && p.tcpMss < 0)],
    ['ICMP fields of ICMP', p.protocol === 1 || p.protocol === 58 || p.icmpType < 0],
    ['an error quotes', !p.hasQuoted || (p.icmpType >= 0 && p.quotedFamily !== 0)],
    ['ARP is not IP', !p.isArp || p.family === 0],
    ['headers fit their packet', p.payloadLength <= Math.max(0, p.ipLength)],
    [
      'overhead is the distance of the headers',
      p.depth === 0 ||
        p.family === 0 ||
        p.outerType === OUTER_WIREGUARD ||
        p.overhead === p.innerOffset - p.outerOffset,
    ],
    ['a MAC inside only in a tunnel', !p.hasInnerMac || p.depth > 0],
    [
      'a WireGuard message in its tunnel',
      p.wireguardCounter < 0 === (p.outerType !== OUTER_WIREGUARD),
    ],
  ];
  return rules.find(([, holds]) => !holds)?.[0] ?? null;
}

function isFamily(family: number): boolean {
  return family === 0 || family === 4 || family === 6;
}
