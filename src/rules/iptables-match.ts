/** The matches of iptables that kube-proxy, Calico, flannel, Docker, CNI plugins and kubelet write. */
import { protocolNumber } from '../network/firewall.js';
import type { Family } from '../network/ip-address.js';
import { isWithin, parseAddress, parsePrefix } from './address.js';
import { isOfType } from './address-type.js';
import { deviceLike } from './device-name.js';
import type { Direction } from './ip-set.js';
import type { OptionGroup, RuleOption } from './iptables-words.js';
import type { Test, Truth } from './model.js';
import type { ConnectionState, Endpoints, Packet } from './packet.js';
import { parseRanges, type Range } from './range.js';
import { all, always, ifKnown, maskedEquals, negated, unknown } from './truth.js';

const TCP = 6;
const WITH_PORTS = new Set([6, 17, 33, 132, 136]);
const TCP_FLAGS: Readonly<Record<string, number>> = {
  ...{ FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32, ALL: 63, NONE: 0 },
};
const STATES: readonly string[] = ['new', 'established', 'related', 'invalid', 'untracked'];

/** What the options of one match ask of a packet: all of it. */
export function matchOf({ module, options }: OptionGroup, family: Family): Test {
  const compile = MODULES[module];
  if (compile === undefined) return unknown;
  return all(options.map((option) => compile(option, family, options) ?? unknown));
}

/** Null for an option that is not known. */
type Compile = (option: RuleOption, family: Family, others: readonly RuleOption[]) => Test | null;

const builtIn: Compile = ({ name, values: [value = ''], isNegated }, family) => {
  switch (name) {
    case '-s':
    case '-d': {
      const range = parsePrefix(value);
      if (range === null) return unknown;
      const field = name === '-s' ? 'src' : 'dst';
      return negated((packet) => isWithin(packet[field], range), isNegated);
    }
    case '-i':
    case '-o': {
      const field = name === '-i' ? 'incoming' : 'outgoing';
      return negated((packet) => ifKnown(packet[field], deviceLike(value)), isNegated);
    }
    case '-p': {
      const wanted = value === 'all' ? 0 : protocolNumber(value);
      if (wanted === 0) return always;
      if (wanted < 0) return unknown;
      return negated((packet) => packet.protocol === wanted, isNegated);
    }
    case '-f':
      return negated((packet) => packet.isLaterFragment, isNegated);
    case '-4':
    case '-6':
      return () => (name === '-4') === (family === 4);
    default:
      return null;
  }
};

const ports: Compile = ({ name, values: [value = ''], isNegated }) => {
  const field =
    name === '--sport' || name === '--source-port'
      ? 'sport'
      : name === '--dport' || name === '--destination-port'
        ? 'dport'
        : null;
  if (field === null) return null;
  const ranges = parseRanges(value.replace(':', '-'), 65_535);
  if (ranges === null) return unknown;
  return negated((packet) => portIn(packet, field, ranges), isNegated);
};

function portIn(packet: Packet, field: 'sport' | 'dport', ranges: readonly Range[]): Truth {
  if (packet.isLaterFragment) return false;
  return ifKnown(packet[field], (port) => isIn(port, ranges));
}

export function isIn(value: number, ranges: readonly Range[]): boolean {
  return ranges.some(({ first, last }) => value >= first && value <= last);
}

const tcp: Compile = (option, family, others) => {
  const { name, values, isNegated } = option;
  if (name === '--syn') return flagsTest('FIN,SYN,RST,ACK', 'SYN', isNegated);
  if (name === '--tcp-flags') return flagsTest(values[0] ?? '', values[1] ?? '', isNegated);
  return ports(option, family, others);
};

function flagsTest(mask: string, set: string, isNegated: boolean): Test {
  const bits = flagBits(mask);
  const wanted = flagBits(set);
  if (bits === null || wanted === null) return unknown;
  return negated(
    (packet) => packet.protocol === TCP && ifKnown(packet.tcpFlags, (f) => (f & bits) === wanted),
    isNegated,
  );
}

function flagBits(text: string): number | null {
  let bits = 0;
  for (const name of text.split(',')) {
    const bit = TCP_FLAGS[name];
    if (bit === undefined) return null;
    bits |= bit;
  }
  return bits;
}

const multiport: Compile = ({ name, values: [value = ''], isNegated }) => {
  const ranges = parseRanges(value.replaceAll(':', '-'), 65_535);
  if (ranges === null) return unknown;
  const either: Test = (packet) => {
    if (!WITH_PORTS.has(packet.protocol)) return false;
    const source = name === '--dports' ? false : portIn(packet, 'sport', ranges);
    const destination = name === '--sports' ? false : portIn(packet, 'dport', ranges);
    return source === true || destination === true || (source ?? destination);
  };
  return ['--dports', '--sports', '--ports'].includes(name) ? negated(either, isNegated) : null;
};

const icmp: Compile = ({ name, values: [value = ''], isNegated }, family) => {
  if (name !== '--icmp-type' && name !== '--icmpv6-type') return null;
  if (value === 'any') return negated(always, isNegated);
  const [type = '', code] = value.split('/');
  if (!/^\d+$/u.test(type) || (code !== undefined && !/^\d+$/u.test(code))) return unknown;
  const protocol = family === 4 ? 1 : 58;
  return negated(
    (packet) =>
      packet.protocol === protocol &&
      ifKnown(
        packet.icmp,
        (said) => said.type === Number(type) && (code === undefined || said.code === Number(code)),
      ),
    isNegated,
  );
};

/** `0x4000/0x4000`; a mask that is not given is all bits. */
export function parseMasked(
  text: string,
): { readonly value: number; readonly mask: number } | null {
  const [value = '', mask = '0xffffffff'] = text.split('/');
  const numbers = [Number(value), Number(mask)] as const;
  if (value === '' || mask === '' || numbers.some((n) => !Number.isInteger(n) || n > 0xffffffff)) {
    return null;
  }
  return { value: numbers[0], mask: numbers[1] };
}

const mark: Compile = ({ name, values: [text = ''], isNegated }) => {
  const asked = name === '--mark' ? parseMasked(text) : null;
  if (asked === null) return null;
  return negated(
    (_packet, _around, walk) => maskedEquals(walk.mark, walk.markUnknown, asked.mask, asked.value),
    isNegated,
  );
};

const connmark: Compile = ({ name, values: [text = ''], isNegated }) => {
  const asked = name === '--mark' ? parseMasked(text) : null;
  if (asked === null) return null;
  return negated(
    (packet, _around, walk) =>
      packet.tracked !== null &&
      maskedEquals(walk.ctMark, walk.ctMarkUnknown, asked.mask, asked.value),
    isNegated,
  );
};

/** The state by which rules ask: a packet without an entry is invalid, or not tracked on purpose. */
export function stateOf(packet: Packet, isUntracked: boolean): ConnectionState | null {
  if (isUntracked) return 'untracked';
  return packet.tracked === null ? 'invalid' : packet.tracked.state;
}

const conntrack: Compile = ({ name, values: [value = ''], isNegated }) => {
  if (name === '--ctstate' || name === '--state') {
    return negated(states(value.toLowerCase().split(',')), isNegated);
  }
  if (name === '--ctdir') {
    const isReply = value === 'REPLY';
    return (packet) => ifKnown(packet.tracked?.isReply ?? null, (reply) => reply === isReply);
  }
  const field = /^--ct(orig|repl)(src|dst)(port)?$/u.exec(name);
  if (field !== null) {
    return negated(
      ofConnection(field[1] === 'orig' ? 'original' : 'reply', field, value),
      isNegated,
    );
  }
  if (name === '--ctproto') {
    const wanted = protocolNumber(value);
    return wanted < 0 ? unknown : negated((packet) => packet.protocol === wanted, isNegated);
  }
  return null;
};

function states(wanted: readonly string[]): Test {
  const plain = new Set(wanted.filter((state) => STATES.includes(state)));
  const isSnat = wanted.includes('snat');
  const isDnat = wanted.includes('dnat');
  return (packet, _around, walk) => {
    const state = stateOf(packet, walk.isUntracked);
    if (state !== null && plain.has(state)) return true;
    const tracked = walk.isUntracked ? null : packet.tracked;
    const nat = [isSnat ? tracked?.isSnat : false, isDnat ? tracked?.isDnat : false];
    if (nat.includes(true)) return true;
    if (state === null && plain.size > 0) return null;
    return nat.includes(null) ? null : false;
  };
}

function ofConnection(
  way: 'original' | 'reply',
  [, , end, isPort]: RegExpExecArray,
  value: string,
): Test {
  const range = isPort === undefined ? parsePrefix(value) : null;
  const among = isPort === undefined ? null : parseRanges(value.replace(':', '-'), 65_535);
  if (range === null && among === null) return unknown;
  const side = end === 'src' ? 'src' : 'dst';
  return (packet) => {
    if (packet.tracked === null) return false;
    const tuple: Endpoints | null = packet.tracked[way];
    if (tuple === null) return null;
    if (range !== null) return isWithin(tuple[side], range);
    return ifKnown(side === 'src' ? tuple.sport : tuple.dport, (port) => isIn(port, among ?? []));
  };
}

const addrtype: Compile = ({ name, values: [value = ''], isNegated }, _family, others) => {
  if (name.startsWith('--limit-iface-')) return always;
  const field = name === '--src-type' ? 'src' : name === '--dst-type' ? 'dst' : null;
  if (field === null) return null;
  const types = value.split(',').map((type) => type.toLowerCase());
  const limit = others.find((other) => other.name.startsWith('--limit-iface-'))?.name;
  return negated((packet, around) => {
    const device = limit === '--limit-iface-in' ? packet.incoming : packet.outgoing;
    return isOfType(packet[field], types, around, limit === undefined ? undefined : device);
  }, isNegated);
};

const set: Compile = ({ name, values, isNegated }) => {
  const [setName = '', directions = ''] = values;
  if (name !== '--match-set') return null;
  const ways = directions.split(',').map((way): Direction => (way === 'src' ? 'src' : 'dst'));
  return negated(
    (packet, { sets }) => sets.get(setName)?.has(packet, ways, sets) ?? null,
    isNegated,
  );
};

const length: Compile = ({ name, values: [value = ''], isNegated }) => {
  const ranges = name === '--length' ? parseRanges(value.replace(':', '-'), 65_535) : null;
  if (ranges === null) return null;
  return negated((packet) => ifKnown(packet.length, (bytes) => isIn(bytes, ranges)), isNegated);
};

const ttl: Compile = ({ name, values: [value = ''], isNegated }) => {
  const wanted = Number(value);
  if (name === '--ttl-eq' || name === '--hl-eq') {
    return negated((packet) => ifKnown(packet.ttl, (said) => said === wanted), isNegated);
  }
  if (name === '--ttl-lt' || name === '--hl-lt') {
    return (packet) => ifKnown(packet.ttl, (said) => said < wanted);
  }
  if (name !== '--ttl-gt' && name !== '--hl-gt') return null;
  return (packet) => ifKnown(packet.ttl, (said) => said > wanted);
};

const iprange: Compile = ({ name, values: [value = ''], isNegated }) => {
  const field = name === '--src-range' ? 'src' : name === '--dst-range' ? 'dst' : null;
  const [first, last] = value.split('-').map(parseAddress);
  if (field === null || first == null || last == null) return null;
  return negated((packet) => isWithin(packet[field], { first, last }), isNegated);
};

/** `--set` notes the address and lets the packet pass; the others ask what was noted. */
const recent: Compile = ({ name, isNegated }) => {
  if (name === '--set') return negated(always, isNegated);
  const isAsked = ['--rcheck', '--update', '--remove'].includes(name);
  return isAsked ? unknown : always;
};

const MODULES: Readonly<Record<string, Compile>> = {
  ...{ '': builtIn, comment: () => always, nfacct: () => always, tcp, udp: ports, sctp: ports },
  ...{ dccp: ports, udplite: ports, multiport, icmp, icmp6: icmp, mark, connmark, conntrack },
  ...{ state: conntrack, addrtype, set, length, ttl, hl: ttl, iprange, recent },
};
