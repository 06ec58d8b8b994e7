/** Matches of x_tables, as `iptables-save` writes them. */
import { type Blob, hex, maskText, quoted, rangeText } from './xt-blob.js';

/** Names of sets by the kernel's numbers of them. */
export type SetNames = ReadonlyMap<number, string>;

/** What follows `-m NAME`; null for what only its own tool can write. */
type Write = (blob: Blob, revision: number) => string | null;

const MOST_PORT = 0xffff;
const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG'];
/** Bits of state_mask: XT_CONNTRACK_STATE_INVALID and what follows it. */
const STATES: readonly (readonly [number, string])[] = [
  ...([
    [1, 'INVALID'],
    [8, 'NEW'],
    [4, 'RELATED'],
    [2, 'ESTABLISHED'],
    [0x100, 'UNTRACKED'],
  ] as const),
  ...([
    [0x40, 'SNAT'],
    [0x80, 'DNAT'],
  ] as const),
];
const STATE = 1;
const DIRECTION = 1 << 12;
const ALIAS = 1 << 13;
const ADDRESS_TYPES = [
  ...['UNSPEC', 'UNICAST', 'LOCAL', 'BROADCAST', 'ANYCAST', 'MULTICAST', 'BLACKHOLE'],
  ...['UNREACHABLE', 'PROHIBIT', 'THROW', 'NAT', 'XRESOLVE'],
];
/** Of xt_statistic, which has probability in parts of it. */
const CERTAIN = 0x80000000;
const NOT = ' !';

export function tcpFlagsText(bits: number): string {
  const names = TCP_FLAGS.filter((_, i) => (bits & (1 << i)) !== 0);
  return bits > 63 ? '' : names.length === 0 ? 'NONE' : names.join(',');
}

export function portsText(option: string, first: number, last: number, isNegated: boolean): string {
  return `${isNegated ? NOT : ''} ${option} ${rangeText(first, last)}`;
}

function bothPorts(blob: Blob, inverted: number): string {
  const one = (option: string, at: number, bit: number): string => {
    const [first, last] = [blob.u16(at), blob.u16(at + 2)];
    const isNegated = (inverted & bit) !== 0;
    if (first === 0 && last === MOST_PORT && !isNegated) return '';
    return portsText(option, first, last, isNegated);
  };
  return `${one('--sport', 0, 1)}${one('--dport', 4, 2)}`;
}

const tcp: Write = (blob) => {
  const inverted = blob.u8(11);
  const [option, mask, compared] = [blob.u8(8), blob.u8(9), blob.u8(10)];
  if (mask > 63 || compared > 63) return null;
  const optionText =
    option === 0 ? '' : `${(inverted & 8) !== 0 ? NOT : ''} --tcp-option ${option}`;
  const isAsked = mask !== 0 || (inverted & 4) !== 0;
  const flags = `${(inverted & 4) !== 0 ? NOT : ''} --tcp-flags ${tcpFlagsText(mask)} ${tcpFlagsText(compared)}`;
  return `${bothPorts(blob, inverted)}${optionText}${isAsked ? flags : ''}`;
};

/** Chunks are rare: iptables writes them. */
const sctp: Write = (blob) => {
  const [asked, inverted] = [blob.u32(284), blob.u32(288)];
  if (asked > 3) return null;
  const one = (option: string, at: number, bit: number): string =>
    (asked & bit) === 0
      ? ''
      : portsText(option, blob.u16(at), blob.u16(at + 2), (inverted & bit) !== 0);
  return `${one('--sport', 4, 1)}${one('--dport', 0, 2)}`;
};

const multiport: Write = (blob, revision) => {
  const option = ['--sports', '--dports', '--ports'][blob.u8(0)];
  const count = blob.u8(1);
  if (revision !== 1 || option === undefined || count > 15) return null;
  const ports: string[] = [];
  for (let i = 0; i < count; i++) {
    // A port that is followed by its range's end.
    const isRange = blob.u8(32 + i) !== 0;
    ports.push(`${i === 0 ? '' : ','}${blob.u16(2 + 2 * i)}`);
    if (isRange) {
      i += 1;
      ports.push(`:${blob.u16(2 + 2 * i)}`);
    }
  }
  return `${blob.u8(47) !== 0 ? NOT : ''} ${option} ${ports.join('')}`;
};

const conntrack: Write = (blob, revision) => {
  const asked = blob.u16(146);
  const inverted = blob.u16(148);
  // Addresses, ports and times are rare: iptables writes them.
  if (revision !== 3 || (asked & ~(STATE | DIRECTION | ALIAS)) !== 0) return null;
  const mask = blob.u16(150);
  const states = STATES.flatMap(([bit, name]) => ((mask & bit) !== 0 ? [name] : [])).join(',');
  const option = (asked & ALIAS) !== 0 ? '--state' : '--ctstate';
  const state = `${(inverted & STATE) !== 0 ? NOT : ''} ${option} ${states}`;
  const direction = ` --ctdir ${(inverted & DIRECTION) !== 0 ? 'REPLY' : 'ORIGINAL'}`;
  return `${(asked & STATE) !== 0 ? state : ''}${(asked & DIRECTION) !== 0 ? direction : ''}`;
};

const addrtype: Write = (blob, revision) => {
  if (revision !== 1) return null;
  const flags = blob.u32(4);
  const types = (mask: number): string =>
    ADDRESS_TYPES.filter((_, i) => (mask & (1 << i)) !== 0).join(',');
  const side = (option: string, at: number, bit: number): string =>
    blob.u16(at) === 0 ? '' : `${(flags & bit) !== 0 ? NOT : ''} ${option} ${types(blob.u16(at))}`;
  const limit =
    (flags & 4) !== 0 ? ' --limit-iface-in' : (flags & 8) !== 0 ? ' --limit-iface-out' : '';
  return `${side('--src-type', 0, 1)}${side('--dst-type', 2, 2)}${limit}`;
};

const statistic: Write = (blob) => {
  const not = (blob.u16(2) & 1) !== 0 ? NOT : '';
  if (blob.u16(0) === 0) {
    return ` --mode random${not} --probability ${(blob.u32(4) / CERTAIN).toFixed(11)}`;
  }
  return ` --mode nth${not} --every ${blob.u32(4) + 1} --packet ${blob.u32(8)}`;
};

const recent: Write = (blob, revision) => {
  if (revision !== 1) return null;
  const asked = blob.u8(8);
  const [seconds, hits] = [blob.u32(0), blob.u32(4)];
  const what = [
    ...([
      [2, ' --set'],
      [1, ' --rcheck'],
      [4, ' --update'],
      [8, ' --remove'],
    ] as const),
  ].find(([bit]) => (asked & bit) !== 0)?.[1];
  if (what === undefined) return null;
  return [
    ...[blob.u8(9) !== 0 ? NOT : '', what],
    ...[seconds === 0 ? '' : ` --seconds ${seconds}`, hits === 0 ? '' : ` --hitcount ${hits}`],
    ...[(asked & 32) !== 0 ? ' --reap' : '', (asked & 16) !== 0 ? ' --rttl' : ''],
    ` --name ${blob.text(10, 200)} --mask ${blob.address(212)}`,
    blob.u8(210) === 0 ? ' --rsource' : ' --rdest',
  ].join('');
};

/** Of marks of packets and of connections. */
const mark: Write = (blob, revision) =>
  revision === 1
    ? `${blob.u8(8) !== 0 ? NOT : ''} --mark ${hex(blob.u32(0))}${maskText(blob.u32(4))}`
    : null;

function icmp(option: string): Write {
  return (blob) => {
    const [type, first, last] = [blob.u8(0), blob.u8(1), blob.u8(2)];
    const not = (blob.u8(3) & 1) !== 0 ? NOT : '';
    if (type === 0xff && option === '--icmp-type') return `${not} ${option} any`;
    const code = first === 0 && last === 0xff ? '' : `/${first}`;
    return `${not} ${option} ${type}${code}`;
  };
}

const physdev: Write = (blob) => {
  const [inverted, asked] = [blob.u8(64), blob.u8(65)];
  const flag = (bit: number, text: string): string =>
    (asked & bit) === 0 ? '' : `${(inverted & bit) !== 0 ? NOT : ''} ${text}`;
  return [
    flag(8, '--physdev-is-in'),
    flag(1, `--physdev-in ${blob.text(0, 16)}`),
    flag(16, '--physdev-is-out'),
    flag(2, `--physdev-out ${blob.text(32, 16)}`),
    flag(4, '--physdev-is-bridged'),
  ].join('');
};

const length: Write = (blob) => portsText('--length', blob.u16(0), blob.u16(2), blob.u8(4) !== 0);

function ttl(prefix: string): Write {
  return (blob) => {
    const option = [`--${prefix}-eq`, `! --${prefix}-eq`, `--${prefix}-lt`, `--${prefix}-gt`][
      blob.u8(0)
    ];
    return option === undefined ? null : ` ${option} ${blob.u8(1)}`;
  };
}

const iprange: Write = (blob, revision) => {
  if (revision !== 1) return null;
  const flags = blob.u8(64);
  const side = (option: string, at: number, bit: number): string =>
    (flags & bit) === 0
      ? ''
      : `${(flags & (bit << 4)) !== 0 ? NOT : ''} ${option} ${blob.address(at)}-${blob.address(at + 16)}`;
  return `${side('--src-range', 0, 1)}${side('--dst-range', 32, 2)}`;
};

const MATCHES: Readonly<Record<string, Write>> = {
  comment: (blob) => ` --comment ${quoted(blob.text(0, 256))}`,
  ...{ tcp, sctp },
  udp: (blob) => bothPorts(blob, blob.u8(8)),
  ...{ multiport, conntrack, addrtype, statistic, recent, mark, connmark: mark },
  ...{ icmp: icmp('--icmp-type'), icmp6: icmp('--icmpv6-type'), physdev, length },
  ...{ ttl: ttl('ttl'), hl: ttl('hl'), iprange },
  nfacct: (blob) => ` --nfacct-name  ${blob.text(0, 32)}`,
};

/** A match as `-m NAME …`; null for one that only its own tool can write. */
export function matchText(
  name: string,
  revision: number,
  blob: Blob,
  sets: SetNames | null,
): string | null {
  if (name === 'set') return setText(revision, blob, sets ?? new Map());
  const write = Object.hasOwn(MATCHES, name) ? MATCHES[name] : undefined;
  const options = write?.(blob, revision) ?? null;
  if (options === null) return null;
  // What was asked for as `state` is one of conntrack.
  const isAlias = name === 'conntrack' && options.includes(' --state ');
  return `-m ${isAlias ? 'state' : name}${options}`;
}

/** struct xt_set_info_match_v4: further flags ask for counters, which iptables writes. */
function setText(revision: number, blob: Blob, sets: SetNames): string | null {
  const name = sets.get(blob.u16(0));
  const [dimensions, flags] = [blob.u8(2), blob.u8(3)];
  const isPlain = revision === 4 && blob.length >= 44 && blob.u32(40) === 0;
  if (name === undefined || !isPlain || blob.u8(16) !== 0 || blob.u8(32) !== 0) return null;
  if (dimensions > 3 || flags > 0xf) return null;
  // IPSET_INV_MATCH is the lowest bit, each dimension has one after it.
  const ways = Array.from({ length: dimensions }, (_, i) => ((flags >> (i + 1)) & 1) !== 0);
  const text = ways.map((isSource) => (isSource ? 'src' : 'dst')).join(',');
  return `-m set${(flags & 1) !== 0 ? NOT : ''} --match-set ${name} ${text}`;
}
