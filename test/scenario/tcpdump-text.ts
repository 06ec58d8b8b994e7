/**
 * Reads what `tcpdump -r FILE -n -e -v -S -K -tt --nano` prints. Made for the judge, so it
 * shares nothing with hopscope's decoder.
 */
import type { Frame, IcmpFields, TcpFields } from './frame.js';

export interface CapturedFrame {
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  /** Bytes of the innermost IP packet, or of this fragment of it; `null` for ARP. */
  readonly ipBytes: number | null;
  readonly frame: Frame;
}

const RECORD = /^(?=\d{10}\.\d{9} )/m;
const LINK =
  /^([0-9a-f:]{17}) > ([0-9a-f:]{17}), ethertype \S+ \(0x([0-9a-f]{4})\), length (\d+): /;
const IPV4 =
  /\(tos 0x[0-9a-f]+(?:,\w+\(\d\))?(?:,CE)?, ttl (\d+), id (\d+), offset (\d+), flags \[([^\]]*)\], proto \w+ \((\d+)\), length (\d+)(?:, options [^)]*\))?\)\s+(\S+) > (\S+?): /;
const IPV6 =
  /\((?:class 0x[0-9a-f]+, )?(?:flowlabel 0x[0-9a-f]+, )?hlim (\d+), next-header \S+ \((\d+)\) payload length: (\d+)\) (\S+) > (\S+?): /;
const IPV6_FRAGMENT = /^frag \(0x([0-9a-f]+):(\d+)\|\d+\)\s/;
/** What is thought of a checksum; -K leaves it out, but not of ICMPv6. */
const CHECKSUM = /^\[(?:bad )?icmp6 [^\]]+\] /;
const TCP =
  /^Flags \[([^\]]*)\], (?:seq (\d+)(?::\d+)?, )?(?:ack (\d+), )?win \d+, (?:urg \d+, )?(?:options \[([^\]]*)\], )?length (\d+)/;
const ECHO = /^ICMP echo (request|reply), id (\d+), seq (\d+),/;
const NEEDS_FRAGMENTS = /^ICMP \S+ unreachable - need to frag \(mtu (\d+)\)/;
const ECHO6 = /^ICMP6, echo (request|reply), id (\d+), seq (\d+)/;
const TOO_BIG6 = /^ICMP6, packet too big, mtu (\d+)/;
const VXLAN = /^VXLAN, flags \[I\] \(0x08\), vni (\d+)\n/;
const ARP_REQUEST = /Request who-has (\S+?)(?: \(\S+\))? tell (\S+?),/;
const ARP_REPLY = /Reply (\S+?) is-at \S+?,/;

/** The hop-by-hop header, which listener discovery has (RFC 2710). */
const HOP_BY_HOP = /^HBH (?:\([^)]*\)\s+)*/;
const LINK_TALK6: readonly (readonly [string, number])[] = [
  ['multicast listener report v2', 143],
  ['multicast listener query', 130],
  ['multicast listener report', 131],
  ['multicast listener done', 132],
  ['router solicitation', 133],
  ['router advertisement', 134],
  ['neighbor solicitation', 135],
  ['neighbor advertisement', 136],
];

const IPPROTO_ICMP = 1;
const IPPROTO_IPIP = 4;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_FRAGMENT = 44;
const IPPROTO_ICMPV6 = 58;
const IPV6_HEADER = 40;

interface IpHeader {
  readonly ttl: number;
  readonly id: number | null;
  /** `null` for a whole packet. */
  readonly fragmentOffset: number | null;
  /** `null` where it is not printed. */
  readonly protocol: number | null;
  readonly length: number;
  readonly src: string;
  readonly dst: string;
  /** What is printed after the addresses. */
  readonly rest: string;
}

/** The frames of one capture, in the order they were seen. */
export function readTcpdump(
  text: string,
  place: string,
  stage: 'egress' | 'ingress',
): CapturedFrame[] {
  return text
    .split(RECORD)
    .filter((record) => record !== '')
    .map((record) => readRecord(record, place, stage));
}

function readRecord(record: string, place: string, stage: 'egress' | 'ingress'): CapturedFrame {
  const [stamp = '', ...words] = record.split(' ');
  const body = words.join(' ');
  const time = BigInt(stamp.replace('.', ''));
  const link = LINK.exec(body);
  const mac = link === null ? null : { src: link[1] ?? '', dst: link[2] ?? '' };
  if (link?.[3] === '0806') {
    return { time, ipBytes: null, frame: arpFrame(body, place, stage, Number(link[4]), mac) };
  }
  const first = readIp(body, record);
  const len = link === null ? first.length : Number(link[4]);
  const linkBytes = len - first.length;
  const vxlan = first.protocol === IPPROTO_UDP ? VXLAN.exec(first.rest) : null;
  const tunnelled = vxlan !== null || first.protocol === IPPROTO_IPIP;
  const inner = tunnelled ? readIp(first.rest, record) : first;
  const outer = tunnelled
    ? {
        type: vxlan === null ? ('ipip' as const) : ('vxlan' as const),
        ...ends(first, vxlan !== null),
        vni: vxlan === null ? null : Number(vxlan[1]),
        overhead: len - linkBytes - inner.length,
      }
    : null;
  return {
    time,
    ipBytes: inner.length,
    frame: { place, stage, len, mac, outer, ...fields(inner, record) },
  };
}

type Fields = Omit<Frame, 'place' | 'stage' | 'len' | 'mac' | 'outer'>;

/** What the innermost packet has. */
function fields(ip: IpHeader, record: string): Fields {
  const { ttl, id: ipId, fragmentOffset, protocol, rest } = ip;
  const common = { ttl, ipId, fragmentOffset, icmp: null, tcp: null };
  if ((fragmentOffset ?? 0) > 0) {
    return { ...common, proto: protocolName(protocol), ...ends(ip, false) };
  }
  switch (protocol) {
    case IPPROTO_TCP:
      return { ...common, proto: 'tcp', ...ends(ip, true), tcp: tcpFields(rest, record) };
    case IPPROTO_UDP:
      return { ...common, proto: 'udp', ...ends(ip, true) };
    case IPPROTO_ICMP:
      return { ...common, proto: 'icmp', ...ends(ip, false), icmp: icmpFields(rest, record) };
    case IPPROTO_ICMPV6:
      return { ...common, proto: 'icmpv6', ...ends(ip, false), icmp: icmpv6Fields(rest, record) };
    default:
      throw unreadable(record);
  }
}

function protocolName(protocol: number | null): Frame['proto'] {
  switch (protocol) {
    case IPPROTO_TCP:
      return 'tcp';
    case IPPROTO_UDP:
      return 'udp';
    case IPPROTO_ICMP:
      return 'icmp';
    default:
      return null;
  }
}

function unreadable(record: string): Error {
  return new Error(`tcpdump printed what the judge cannot read:\n${record}`);
}

/** The first IP header that is printed, of whichever version. */
function readIp(text: string, record: string): IpHeader {
  const four = IPV4.exec(text);
  const six = IPV6.exec(text);
  if (four !== null && (six === null || four.index < six.index)) return readIpv4(text, four);
  if (six === null) throw unreadable(record);
  return readIpv6(text, six, record);
}

function readIpv4(text: string, match: RegExpExecArray): IpHeader {
  const [printed, ttl, id, offset, flags, protocol, length, src = '', dst = ''] = match;
  const isFragment = Number(offset) > 0 || flags?.includes('+') === true;
  return {
    ttl: Number(ttl),
    id: Number(id),
    fragmentOffset: isFragment ? Number(offset) : null,
    protocol: Number(protocol),
    length: Number(length),
    src,
    dst,
    rest: text.slice(match.index + printed.length),
  };
}

/** The next header of a first fragment follows from what is printed after it, of others it is not known. */
function readIpv6(text: string, match: RegExpExecArray, record: string): IpHeader {
  const [printed, hopLimit, next, payload, src = '', dst = ''] = match;
  const after = text.slice(match.index + printed.length);
  const header = {
    ttl: Number(hopLimit),
    length: IPV6_HEADER + Number(payload),
    src,
    dst,
  };
  if (Number(next) !== IPPROTO_FRAGMENT) {
    const rest = after.replace(HOP_BY_HOP, '').replace(CHECKSUM, '');
    const protocol = rest.startsWith('ICMP6,') ? IPPROTO_ICMPV6 : Number(next);
    return { ...header, id: null, fragmentOffset: null, protocol, rest };
  }
  const fragment = IPV6_FRAGMENT.exec(after);
  if (fragment === null) throw unreadable(record);
  const rest = after.slice(fragment[0].length).replace(CHECKSUM, '');
  const protocol = rest.startsWith('ICMP6,') ? IPPROTO_ICMPV6 : null;
  const [, id = '', offset] = fragment;
  return {
    ...header,
    id: Number.parseInt(id, 16),
    fragmentOffset: Number(offset),
    protocol,
    rest,
  };
}

/** Addresses, and the ports tcpdump writes after the last dot. */
function ends(ip: IpHeader, ports: boolean): Pick<Frame, 'src' | 'dst' | 'sport' | 'dport'> {
  if (!ports) return { src: ip.src, dst: ip.dst, sport: null, dport: null };
  const [src, sport] = splitPort(ip.src);
  const [dst, dport] = splitPort(ip.dst);
  return { src, dst, sport, dport };
}

function splitPort(end: string): [string, number] {
  const dot = end.lastIndexOf('.');
  return [end.slice(0, dot), Number(end.slice(dot + 1))];
}

function tcpFields(rest: string, record: string): TcpFields {
  const match = TCP.exec(rest);
  if (match === null) throw unreadable(record);
  const [, flags = '', seq, ack, options = '', payload] = match;
  return {
    flags,
    seq: seq === undefined ? null : Number(seq),
    ack: Number(ack ?? 0),
    payload: Number(payload),
    mss: optional(/\bmss (\d+)/.exec(options)?.[1]),
    windowScale: optional(/\bwscale (\d+)/.exec(options)?.[1]),
  };
}

function optional(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}

function icmpFields(rest: string, record: string): IcmpFields {
  const echo = ECHO.exec(rest);
  if (echo !== null) return echoFields(echo, { request: 8, reply: 0 });
  const error = NEEDS_FRAGMENTS.exec(rest);
  if (error === null) throw unreadable(record);
  return { type: 3, id: null, seq: null, mtu: Number(error[1]) };
}

function icmpv6Fields(rest: string, record: string): IcmpFields {
  const echo = ECHO6.exec(rest);
  if (echo !== null) return echoFields(echo, { request: 128, reply: 129 });
  const error = TOO_BIG6.exec(rest);
  if (error !== null) return { type: 2, id: null, seq: null, mtu: Number(error[1]) };
  const talk = LINK_TALK6.find(([words]) => rest.startsWith(`ICMP6, ${words}`));
  if (talk === undefined) throw unreadable(record);
  return { type: talk[1], id: null, seq: null, mtu: null };
}

function echoFields(
  [, word, id, seq]: RegExpExecArray,
  types: { readonly request: number; readonly reply: number },
): IcmpFields {
  const type = word === 'request' ? types.request : types.reply;
  return { type, id: Number(id), seq: Number(seq), mtu: null };
}

/** An answer names its sender alone; whom it is for is the Ethernet header's to say. */
function arpFrame(
  body: string,
  place: string,
  stage: 'egress' | 'ingress',
  len: number,
  mac: Frame['mac'],
): Frame {
  const request = ARP_REQUEST.exec(body);
  const reply = ARP_REPLY.exec(body);
  if (request === null && reply === null) throw new Error(`not an ARP exchange:\n${body}`);
  return {
    place,
    stage,
    len,
    mac,
    outer: null,
    proto: 'arp',
    src: request?.[2] ?? reply?.[1] ?? '',
    dst: request?.[1] ?? '',
    sport: null,
    dport: null,
    ttl: null,
    ipId: null,
    fragmentOffset: null,
    icmp: null,
    tcp: null,
  };
}
