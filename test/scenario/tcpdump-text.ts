/**
 * Reads what `tcpdump -r FILE -n -e -v -S -K -tt --nano` prints. Made for the judge, so it
 * shares nothing with hopscope's decoder.
 */
import type { Frame, TcpFields } from './frame.js';

export interface CapturedFrame {
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  /** Bytes of the innermost IP packet; `null` for ARP. */
  readonly ipBytes: number | null;
  readonly frame: Frame;
}

const RECORD = /^(?=\d{10}\.\d{9} )/m;
const LINK =
  /^([0-9a-f:]{17}) > ([0-9a-f:]{17}), ethertype \S+ \(0x([0-9a-f]{4})\), length (\d+): /;
const IP =
  /\(tos 0x[0-9a-f]+(?:,\w+\(\d\))?(?:,CE)?, ttl (\d+), id (\d+), offset \d+, flags \[[^\]]*\], proto \w+ \((\d+)\), length (\d+)(?:, options [^)]*\))?\)\s+(\S+) > (\S+?): /;
const TCP =
  /^Flags \[([^\]]*)\], (?:seq (\d+)(?::\d+)?, )?(?:ack (\d+), )?win \d+, (?:urg \d+, )?(?:options \[([^\]]*)\], )?length (\d+)/;
const ECHO = /^ICMP echo (request|reply), id (\d+), seq (\d+),/;
const VXLAN = /^VXLAN, flags \[I\] \(0x08\), vni (\d+)\n/;
const ARP_REQUEST = /Request who-has (\S+?)(?: \(\S+\))? tell (\S+?),/;
const ARP_REPLY = /Reply (\S+?) is-at \S+?,/;

const IPPROTO_IPIP = 4;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

interface IpHeader {
  readonly ttl: number;
  readonly id: number;
  readonly protocol: number;
  readonly length: number;
  readonly src: string;
  readonly dst: string;
  /** What is printed behind the addresses. */
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
  const tcp = inner.protocol === IPPROTO_TCP ? tcpFields(inner.rest, record) : null;
  const isUdp = inner.protocol === IPPROTO_UDP;
  const frame: Frame = {
    place,
    stage,
    len,
    mac,
    outer,
    proto: tcp === null ? (isUdp ? 'udp' : 'icmp') : 'tcp',
    ...ends(inner, tcp !== null || isUdp),
    ttl: inner.ttl,
    ipId: inner.id,
    icmp: tcp === null && !isUdp ? echoFields(inner.rest, record) : null,
    tcp,
  };
  return { time, ipBytes: inner.length, frame };
}

function readIp(text: string, record: string): IpHeader {
  const match = IP.exec(text);
  if (match === null) throw new Error(`tcpdump printed what the judge cannot read:\n${record}`);
  return {
    ttl: Number(match[1]),
    id: Number(match[2]),
    protocol: Number(match[3]),
    length: Number(match[4]),
    src: match[5] ?? '',
    dst: match[6] ?? '',
    rest: text.slice(match.index + match[0].length),
  };
}

/** Addresses, and the ports tcpdump writes behind a fourth dot. */
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
  if (match === null) throw new Error(`tcpdump printed TCP the judge cannot read:\n${record}`);
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

function echoFields(rest: string, record: string): NonNullable<Frame['icmp']> {
  const match = ECHO.exec(rest);
  if (match === null) throw new Error(`tcpdump printed what the judge cannot read:\n${record}`);
  return {
    type: match[1] === 'request' ? 8 : 0,
    id: Number(match[2]),
    seq: Number(match[3]),
  };
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
    icmp: null,
    tcp: null,
  };
}
