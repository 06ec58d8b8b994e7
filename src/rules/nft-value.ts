/** Expressions of nftables: what of a packet a rule looks at, and what it compares that with. */
import { protocolNumber } from '../network/firewall.js';
import { type Address, isWithin, parseAddress, prefixRange } from './address.js';
import { isOfType } from './address-type.js';
import type { Truth, WalkState } from './model.js';
import { isObject, type Json } from './nft-json.js';
import type { Endpoints, Packet, Surroundings } from './packet.js';

/** Null: not known. A list: any of these, such as the state of a connection. `false`: there is no such thing. */
export type Value = Address | string | readonly string[] | null | false;
export type Read = (packet: Packet, around: Surroundings, walk: WalkState) => Value;
/** What the texts of its values stand for. */
export type Kind = 'address' | 'protocol' | 'port' | 'number' | 'name' | 'icmp' | 'icmpv6';

export interface Expression {
  readonly kind: Kind;
  readonly read: Read;
}

const PORTS: Readonly<Record<string, readonly number[]>> = {
  ...{ tcp: [6], udp: [17], sctp: [132], dccp: [33], udplite: [136] },
  th: [6, 17, 33, 132, 136],
};
const ICMP_TYPES: Readonly<Record<string, number>> = {
  ...{ 'echo-reply': 0, 'destination-unreachable': 3, 'source-quench': 4, redirect: 5 },
  ...{ 'echo-request': 8, 'time-exceeded': 11, 'parameter-problem': 12 },
};
const ICMPV6_TYPES: Readonly<Record<string, number>> = {
  ...{ 'destination-unreachable': 1, 'packet-too-big': 2, 'time-exceeded': 3 },
  ...{ 'parameter-problem': 4, 'echo-request': 128, 'echo-reply': 129 },
  ...{ 'nd-router-solicit': 133, 'nd-router-advert': 134, 'nd-neighbor-solicit': 135 },
  ...{ 'nd-neighbor-advert': 136 },
};

/** Null for an expression that is not known. */
export function expressionOf(json: unknown): Expression | null {
  if (!isObject(json)) return null;
  const { payload, meta, ct, fib } = json;
  if (isObject(payload)) return payloadOf(String(payload['protocol']), String(payload['field']));
  if (isObject(meta)) return metaOf(String(meta['key']));
  if (isObject(ct)) return trackedOf(ct);
  if (isObject(fib)) return fibOf(fib);
  return null;
}

function payloadOf(protocol: string, field: string): Expression | null {
  if (protocol === 'ip' || protocol === 'ip6') return ipField(protocol === 'ip' ? 4 : 6, field);
  const among = PORTS[protocol];
  if (among !== undefined && (field === 'sport' || field === 'dport')) {
    const read: Read = (packet) => {
      // What others have at that place is not read here.
      if (!among.includes(packet.protocol)) return protocol === 'th' ? null : false;
      return packet.isLaterFragment ? null : packet[field];
    };
    return { kind: 'port', read };
  }
  if (protocol === 'icmp' || protocol === 'icmpv6') {
    const number = protocol === 'icmp' ? 1 : 58;
    if (field !== 'type' && field !== 'code') return null;
    return {
      kind: field === 'type' ? protocol : 'number',
      read: ({ protocol: own, icmp }) => (own === number ? (icmp?.[field] ?? null) : false),
    };
  }
  return null;
}

function ipField(family: 4 | 6, field: string): Expression | null {
  const own =
    (read: (packet: Packet) => Value): Read =>
    (packet) =>
      packet.family === family ? read(packet) : false;
  switch (field) {
    case 'saddr':
      return { kind: 'address', read: own(({ src }) => src) };
    case 'daddr':
      return { kind: 'address', read: own(({ dst }) => dst) };
    case 'protocol':
    case 'nexthdr':
      return { kind: 'protocol', read: own(({ protocol }) => protocol) };
    case 'ttl':
    case 'hoplimit':
      return { kind: 'number', read: own(({ ttl }) => ttl) };
    default:
      return field === 'length' && family === 4
        ? { kind: 'number', read: own(({ length }) => length) }
        : null;
  }
}

function metaOf(key: string): Expression | null {
  switch (key) {
    case 'mark':
      return {
        kind: 'number',
        read: (_packet, _around, { mark, markUnknown }) => (markUnknown === 0 ? mark : null),
      };
    case 'l4proto':
      return { kind: 'protocol', read: ({ protocol }) => protocol };
    case 'nfproto':
      return { kind: 'name', read: ({ family }) => (family === 4 ? 'ipv4' : 'ipv6') };
    case 'protocol':
      return { kind: 'name', read: ({ family }) => (family === 4 ? 'ip' : 'ip6') };
    case 'iif':
    case 'iifname':
      return { kind: 'name', read: ({ incoming }) => incoming };
    case 'oif':
    case 'oifname':
      return { kind: 'name', read: ({ outgoing }) => outgoing };
    default:
      return key === 'length' ? { kind: 'number', read: ({ length }) => length } : null;
  }
}

function trackedOf({ key, dir }: Json): Expression | null {
  switch (key) {
    case 'state':
      return {
        kind: 'name',
        read: ({ tracked }, _around, { isUntracked }) =>
          isUntracked ? 'untracked' : tracked === null ? 'invalid' : tracked.state,
      };
    case 'status':
      return { kind: 'name', read: statusOf };
    case 'direction':
      return {
        kind: 'name',
        read: ({ tracked }) =>
          tracked?.isReply == null ? null : tracked.isReply ? 'reply' : 'original',
      };
    case 'mark':
      return {
        kind: 'number',
        read: (_packet, _around, { ctMark, ctMarkUnknown }) =>
          ctMarkUnknown === 0 ? ctMark : null,
      };
    default:
      return ofConnection(String(key), dir === 'reply' ? 'reply' : 'original');
  }
}

/** The bits of a status that rules ask for; others are not known. */
function statusOf({ tracked }: Packet): Value {
  if (tracked === null) return [];
  const { isSnat, isDnat } = tracked;
  if (isSnat === null || isDnat === null) return null;
  return [...(isSnat ? ['snat'] : []), ...(isDnat ? ['dnat'] : [])];
}

function ofConnection(key: string, way: 'original' | 'reply'): Expression | null {
  const field = /^(?:ip6? )?(saddr|daddr|proto-src|proto-dst)$/u.exec(key)?.[1];
  if (field === undefined) return null;
  const pick = (ends: Endpoints): Value =>
    ({ saddr: ends.src, daddr: ends.dst, 'proto-src': ends.sport, 'proto-dst': ends.dport })[
      field
    ] ?? null;
  return {
    kind: field.endsWith('addr') ? 'address' : 'port',
    read: ({ tracked }) => {
      const ends = tracked?.[way] ?? null;
      return tracked === null ? false : ends === null ? null : pick(ends);
    },
  };
}

function fibOf({ result, flags }: Json): Expression | null {
  const asked = Array.isArray(flags) ? flags.map(String) : [];
  const field = asked.includes('saddr') ? 'src' : 'dst';
  if (result !== 'type' || asked.some((flag) => flag !== 'saddr' && flag !== 'daddr')) return null;
  return {
    kind: 'name',
    read: (packet, around) => {
      const types = ['local', 'broadcast', 'multicast', 'unicast'];
      return types.find((type) => isOfType(packet[field], [type], around) === true) ?? null;
    },
  };
}

/** What a value is compared with: alone, or from one to another. */
export type Literal =
  | { readonly value: Address | string }
  | { readonly first: Address; readonly last: Address };

/** Null for a literal that is not known. */
export function literalOf(json: unknown, kind: Kind): Literal | null {
  if (isObject(json)) {
    const { prefix, range } = json;
    if (isObject(prefix)) {
      const address = parseAddress(String(prefix['addr']));
      return address === null ? null : prefixRange(address, Number(prefix['len']));
    }
    if (Array.isArray(range)) {
      const [first, last] = range.map((each) => scalarOf(each, kind));
      return first == null || last == null || typeof first === 'string' || typeof last === 'string'
        ? null
        : { first, last };
    }
    return null;
  }
  const value = scalarOf(json, kind);
  return value === null ? null : { value };
}

function scalarOf(json: unknown, kind: Kind): Address | string | null {
  if (typeof json === 'number') return kind === 'name' ? String(json) : json;
  if (typeof json !== 'string') return null;
  switch (kind) {
    case 'address':
      return parseAddress(json);
    case 'protocol': {
      const number = protocolNumber(json);
      return number < 0 ? null : number;
    }
    case 'icmp':
      return ICMP_TYPES[json] ?? null;
    case 'icmpv6':
      return ICMPV6_TYPES[json] ?? null;
    case 'name':
      return json;
    default:
      return /^\d+$/u.test(json) ? Number(json) : null;
  }
}

/** Whether a value is the literal, or one of its bits. */
export function equals(value: Value, literal: Literal): Truth {
  if (value === null) return null;
  if (value === false) return false;
  if (!('value' in literal)) {
    return (typeof value === 'number' || typeof value === 'bigint') && isWithin(value, literal);
  }
  if (Array.isArray(value)) return value.includes(String(literal.value));
  if (typeof value === 'string' && typeof literal.value === 'string') {
    // `cali*`: names of devices.
    const { value: text } = literal;
    return text.endsWith('*') ? value.startsWith(text.slice(0, -1)) : value === text;
  }
  return value === literal.value;
}
