/** Sets of the kernel's ipset, in the text of `ipset save`. */
import { protocolNumber } from '../network/firewall.js';
import { type Address, type AddressRange, isWithin, parseAddress, parsePrefix } from './address.js';
import { deviceLike } from './device-name.js';
import { wordsOf } from './iptables-words.js';
import type { Truth } from './model.js';
import type { Packet } from './packet.js';

/** `src` or `dst` for each dimension of a set. */
export type Direction = 'src' | 'dst';

export interface IpSet {
  readonly name: string;
  readonly type: string;
  /** @param directions by dimension; those that are not given are `dst` */
  has(packet: Packet, directions: readonly Direction[], sets: IpSets): Truth;
}

export type IpSets = ReadonlyMap<string, IpSet>;

type Dimension = 'ip' | 'net' | 'port' | 'mark' | 'iface' | 'mac' | 'set';
type Part = (packet: Packet, direction: Direction) => Truth;

const DIMENSIONS: readonly string[] = ['ip', 'net', 'port', 'mark', 'iface', 'mac', 'set'];
const ICMP = new Set([1, 58]);

/** One set while its elements are read. */
class ReadSet implements IpSet {
  readonly name: string;
  readonly type: string;
  readonly #dimensions: readonly string[];
  readonly #hosts = new Set<string>();
  readonly #elements: { readonly parts: readonly Part[]; readonly isExcepted: boolean }[] = [];
  /** Sets of a list. */
  readonly #members: string[] = [];
  readonly #isPlain: boolean;
  /** Whether an element was not understood. */
  #hasUnknown = false;

  constructor(name: string, type: string) {
    this.name = name;
    this.type = type;
    this.#dimensions = (type.split(':')[1] ?? '').split(',');
    // Most sets are of addresses and ports alone, and have many elements.
    this.#isPlain = type === 'hash:ip' || type === 'hash:ip,port' || type === 'bitmap:port';
    if (this.#dimensions.some((each) => !DIMENSIONS.includes(each))) this.#hasUnknown = true;
  }

  add(element: string, isExcepted: boolean): void {
    if (this.#dimensions[0] === 'set') {
      this.#members.push(element);
      return;
    }
    const texts = element.split(',');
    const key = this.#isPlain ? keyOfElement(texts, this.#dimensions) : null;
    if (key !== null) {
      this.#hosts.add(key);
      return;
    }
    const parts = texts.map((text, i) => partOf(text, this.#dimensions[i] as Dimension));
    if (parts.some((part) => part === null)) this.#hasUnknown = true;
    else this.#elements.push({ parts: parts as Part[], isExcepted });
  }

  has(packet: Packet, directions: readonly Direction[], sets: IpSets): Truth {
    let result: Truth = this.#hasUnknown ? null : false;
    for (const member of this.#members) {
      const inner = sets.get(member);
      const truth =
        inner === undefined || inner === this ? null : inner.has(packet, directions, sets);
      if (truth === true) return true;
      result = truth === null ? null : result;
    }
    if (this.#hosts.size > 0) {
      const key = keyOfPacket(packet, directions, this.#dimensions);
      if (key === null) result = null;
      else if (this.#hosts.has(key)) return true;
    }
    // What is excepted is more specific than what it is excepted from.
    let isIn = false;
    for (const { parts, isExcepted } of this.#elements) {
      const truth = allOf(parts, packet, directions);
      if (truth === true && isExcepted) return false;
      if (truth === true) isIn = true;
      else if (truth === null) result = null;
    }
    return isIn ? true : result;
  }
}

function allOf(parts: readonly Part[], packet: Packet, directions: readonly Direction[]): Truth {
  let result: Truth = true;
  for (const [i, part] of parts.entries()) {
    const truth = part(packet, directions[i] ?? 'dst');
    if (truth === false) return false;
    if (truth === null) result = null;
  }
  return result;
}

function keyOfElement(texts: readonly string[], dimensions: readonly string[]): string | null {
  const keys = texts.map((text, i) => {
    if (dimensions[i] === 'ip') return parseAddress(text);
    const { protocol, first, last } = parsePort(text);
    if (first !== last || protocol < -1) return null;
    // A bitmap of ports asks for no protocol, which the match beside it does.
    return protocol === -1 ? first : `${protocol}:${first}`;
  });
  return keys.includes(null) ? null : keys.join(',');
}

function keyOfPacket(
  packet: Packet,
  directions: readonly Direction[],
  dimensions: readonly string[],
): string | null {
  const isBitmap = dimensions.length === 1 && dimensions[0] === 'port';
  const keys = dimensions.map((dimension, i) => {
    const direction = directions[i] ?? 'dst';
    if (dimension === 'ip') return direction === 'src' ? packet.src : packet.dst;
    const port = portIn(packet, direction);
    if (port === null) return null;
    return isBitmap ? port : `${packet.protocol}:${port}`;
  });
  return keys.includes(null) ? null : keys.join(',');
}

/** net/netfilter/ipset/ip_set_getport.c: of ICMP type and code stand for the port. */
function portIn(packet: Packet, direction: Direction): number | null {
  if (ICMP.has(packet.protocol)) {
    return packet.icmp === null ? null : packet.icmp.type * 256 + packet.icmp.code;
  }
  return direction === 'src' ? packet.sport : packet.dport;
}

function partOf(text: string, dimension: Dimension): Part | null {
  switch (dimension) {
    case 'ip':
    case 'net': {
      const range = rangeOf(text);
      if (range === null) return null;
      const side = (packet: Packet, direction: Direction): Address => packet[direction];
      return (packet, direction) => isWithin(side(packet, direction), range);
    }
    case 'port': {
      const { protocol, first, last } = parsePort(text);
      if (protocol < -1) return null;
      return (packet, direction) => {
        if (protocol !== -1 && protocol !== packet.protocol) return false;
        const port = portIn(packet, direction);
        return port === null ? null : port >= first && port <= last;
      };
    }
    case 'iface': {
      const like = deviceLike(text);
      return (packet, direction) => {
        const device = direction === 'src' ? packet.incoming : packet.outgoing;
        return device === null ? null : like(device);
      };
    }
    default:
      return null;
  }
}

function rangeOf(text: string): AddressRange | null {
  const [low = '', high] = text.split('-');
  if (high === undefined) return parsePrefix(text);
  const first = parseAddress(low);
  const last = parseAddress(high);
  return first === null || last === null ? null : { first, last };
}

/** `tcp:80`, `udp:1000-2000`, `80`; the protocol is -1 where none is named, less for none that is known. */
function parsePort(text: string): { protocol: number; first: number; last: number } {
  const found = /^(?:([a-z][a-z0-9-]*|\d+):)?(\d+)(?:-(\d+))?$/u.exec(text);
  if (found === null) return { protocol: -2, first: 0, last: 0 };
  const [, name, low, high = low] = found;
  const number = name === undefined ? -1 : protocolNumber(name);
  const protocol = name !== undefined && number < 0 ? -2 : number;
  return { protocol, first: Number(low), last: Number(high) };
}

/** Reads `ipset save` in pieces that end where a line does. */
export class IpSetParser {
  readonly #sets = new Map<string, ReadSet>();

  add(piece: string): void {
    for (const line of piece.split('\n')) {
      const [verb, name = '', what = '', ...options] = wordsOf(line).map(({ text }) => text);
      if (verb === 'create') this.#sets.set(name, new ReadSet(name, what));
      else if (verb === 'add') this.#sets.get(name)?.add(what, options.includes('nomatch'));
    }
  }

  end(): IpSets {
    return this.#sets;
  }
}
