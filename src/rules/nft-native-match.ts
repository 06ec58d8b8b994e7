/** Matches that iptables keeps as expressions of nf_tables: a load, perhaps a mask, and what it is compared with. */
import type { Family } from '../network/ip-address.js';
import type { NftAttributes } from './nft-attributes.js';
import { addressAt, hex, maskText } from './xt-blob.js';
import { portsText, tcpFlagsText } from './xt-match.js';

const PAYLOAD = { register: 1, base: 2, offset: 3, length: 4 } as const;
const META = { register: 1, key: 2 } as const;
const BITWISE = { source: 1, register: 2, length: 3, mask: 4, xor: 5, operation: 6 } as const;
const CMP = { register: 1, operation: 2, data: 3 } as const;
const RANGE = { register: 1, operation: 2, from: 3, to: 4 } as const;
const VALUE = 1;
const OPERATION = { equal: 0, different: 1, below: 2, upTo: 3, above: 4, from: 5 } as const;
const NETWORK = 1;
const TRANSPORT = 2;
const KEY = { mark: 3, incoming: 6, outgoing: 7, protocol: 16 } as const;
const TCP = 6;
const UDP = 17;
const NAME_BYTES = 16;
/** Where of an IP header an address, and of a TCP header the flags are. */
const ADDRESS_AT: Readonly<Record<Family, readonly [src: number, dst: number]>> = {
  4: [12, 16],
  6: [8, 24],
};
/** As /etc/protocols names them; iptables itself writes what others there are. */
const PROTOCOLS: Readonly<Record<number, string>> = {
  ...{ 1: 'icmp', 2: 'igmp', 4: 'ipencap', 6: 'tcp', 17: 'udp', 33: 'dccp', 41: 'ipv6', 47: 'gre' },
  ...{ 50: 'esp', 51: 'ah', 58: 'ipv6-icmp', 89: 'ospf', 103: 'pim', 112: 'vrrp', 132: 'sctp' },
  136: 'udplite',
};
const FRAGMENT_AT = 6;
const TTL_AT: Readonly<Record<Family, number>> = { 4: 8, 6: 7 };
const FLAGS_AT = 13;

type Loaded =
  | {
      readonly kind: 'payload';
      readonly base: number;
      readonly offset: number;
      readonly length: number;
    }
  | { readonly kind: 'meta'; readonly key: number };

export class NativeMatches {
  readonly #family: Family;
  #loaded: Loaded | null = null;
  #mask: Buffer | null = null;
  #src = '';
  #dst = '';
  #incoming = '';
  #outgoing = '';
  #protocol = '';
  #protocolNumber = -1;
  #fragment = '';
  /** In order; those of ports are one match, wherever its parts are. */
  readonly #matches: string[] = [];
  #ports = { at: -1, sport: '', dport: '', rest: '' };

  constructor(family: Family) {
    this.#family = family;
  }

  begin(): void {
    this.#loaded = null;
    this.#mask = null;
    this.#src = '';
    this.#dst = '';
    this.#incoming = '';
    this.#outgoing = '';
    this.#protocol = '';
    this.#protocolNumber = -1;
    this.#fragment = '';
    this.#matches.length = 0;
    this.#ports = { at: -1, sport: '', dport: '', rest: '' };
  }

  /** Null where something was loaded and compared with nothing. */
  text(): string | null {
    if (this.#loaded !== null) return null;
    const { at, sport, dport, rest } = this.#ports;
    if (at >= 0) {
      const module = this.#protocolNumber === TCP ? 'tcp' : 'udp';
      this.#matches[at] = `-m ${module}${sport}${dport}${rest}`;
    }
    const own = [this.#src, this.#dst, this.#incoming, this.#outgoing, this.#protocol].join('');
    const matches = this.#matches.map((match) => ` ${match}`).join('');
    return `${own}${this.#fragment}${matches}`;
  }

  /** A match that is written already. */
  add(text: string): boolean {
    if (this.#loaded !== null) return false;
    this.#matches.push(text);
    return true;
  }

  payload(attributes: NftAttributes): boolean {
    const base = attributes.be32(PAYLOAD.base) ?? -1;
    const offset = attributes.be32(PAYLOAD.offset) ?? -1;
    const length = attributes.be32(PAYLOAD.length) ?? -1;
    if (!attributes.has(PAYLOAD.register)) return false;
    return this.#load({ kind: 'payload', base, offset, length });
  }

  meta(attributes: NftAttributes): boolean {
    return this.#load({ kind: 'meta', key: attributes.be32(META.key) ?? -1 });
  }

  #load(loaded: Loaded): boolean {
    if (this.#loaded !== null) return false;
    this.#loaded = loaded;
    this.#mask = null;
    return true;
  }

  bitwise(attributes: NftAttributes, values: NftAttributes): boolean {
    const mask = dataOf(attributes, BITWISE.mask, values);
    const xor = dataOf(attributes, BITWISE.xor, values);
    const isPlain =
      (attributes.be32(BITWISE.operation) ?? 0) === 0 && xor?.every((byte) => byte === 0);
    if (this.#loaded === null || this.#mask !== null || mask === null || isPlain !== true)
      return false;
    this.#mask = mask;
    return true;
  }

  compare(attributes: NftAttributes, values: NftAttributes): boolean {
    const value = dataOf(attributes, CMP.data, values);
    const operation = attributes.be32(CMP.operation) ?? -1;
    const loaded = this.#loaded;
    if (loaded === null || value === null) return false;
    const mask = this.#mask;
    this.#loaded = null;
    this.#mask = null;
    const isNot = operation === OPERATION.different;
    const isEqual = isNot || operation === OPERATION.equal;
    if (loaded.kind === 'meta') return isEqual && this.#metaText(loaded.key, value, mask, isNot);
    if (loaded.base === NETWORK) return isEqual && this.#network(loaded, value, mask, isNot);
    if (loaded.base !== TRANSPORT) return false;
    return this.#transport(loaded, value, mask, operation);
  }

  range(attributes: NftAttributes, values: NftAttributes): boolean {
    const from = dataOf(attributes, RANGE.from, values);
    const to = dataOf(attributes, RANGE.to, values);
    const loaded = this.#loaded;
    this.#loaded = null;
    if (loaded?.kind !== 'payload' || from?.length !== 2 || to?.length !== 2) return false;
    if (loaded.base !== TRANSPORT || loaded.length !== 2 || this.#mask !== null) return false;
    const isNot = attributes.be32(RANGE.operation) === OPERATION.different;
    return this.#port(loaded.offset, from.readUInt16BE(0), to.readUInt16BE(0), isNot);
  }

  #metaText(key: number, value: Buffer, mask: Buffer | null, isNot: boolean): boolean {
    const not = isNot ? ' !' : '';
    if (key === KEY.mark && value.length === 4 && (mask === null || mask.length === 4)) {
      const bits = mask === null ? 0xffffffff : mask.readUInt32LE(0);
      return this.add(`-m mark${not} --mark ${hex(value.readUInt32LE(0))}${maskText(bits)}`);
    }
    if (mask !== null) return false;
    if (key === KEY.protocol && value.length === 1 && this.#protocolNumber < 0) {
      this.#protocolNumber = isNot ? 256 : value.readUInt8(0);
      const name = PROTOCOLS[value.readUInt8(0)];
      this.#protocol = `${not} -p ${name}`;
      return name !== undefined;
    }
    if (key !== KEY.incoming && key !== KEY.outgoing) return false;
    // A name with its NUL, or what others begin with.
    const end = value.indexOf(0);
    const isWhole = end >= 0;
    if (value.length > NAME_BYTES) return false;
    const name = `${value.toString('utf8', 0, isWhole ? end : value.length)}${isWhole ? '' : '+'}`;
    if (key === KEY.incoming) this.#incoming = `${not} -i ${name}`;
    else this.#outgoing = `${not} -o ${name}`;
    return true;
  }

  #network(
    { offset, length }: Loaded & { kind: 'payload' },
    value: Buffer,
    mask: Buffer | null,
    isNot: boolean,
  ): boolean {
    const not = isNot ? ' !' : '';
    const family = this.#family;
    if (value.length !== length || (mask !== null && mask.length !== length)) return false;
    const side = ADDRESS_AT[family].indexOf(offset);
    if (side >= 0) {
      const text = prefixText(value, mask, family);
      if (text === null) return false;
      if (side === 0) this.#src = `${not} -s ${text}`;
      else this.#dst = `${not} -d ${text}`;
      return true;
    }
    if (
      family === 4 &&
      offset === FRAGMENT_AT &&
      length === 2 &&
      mask?.readUInt16BE(0) === 0x1fff
    ) {
      if (value.readUInt16BE(0) !== 0) return false;
      this.#fragment = isNot ? ' -f' : ' ! -f';
      return true;
    }
    if (offset === TTL_AT[family] && length === 1 && mask === null) {
      const name = family === 4 ? 'ttl' : 'hl';
      return this.add(`-m ${name}${not} --${name}-eq ${value.readUInt8(0)}`);
    }
    return false;
  }

  #transport(
    { offset, length }: Loaded & { kind: 'payload' },
    value: Buffer,
    mask: Buffer | null,
    operation: number,
  ): boolean {
    const isNot = operation === OPERATION.different;
    const isEqual = isNot || operation === OPERATION.equal;
    if (value.length !== length) return false;
    if (offset === FLAGS_AT && length === 1 && mask?.length === 1 && isEqual) {
      if (this.#protocolNumber !== TCP || mask.readUInt8(0) > 63) return false;
      this.#openPorts();
      const names = `${tcpFlagsText(mask.readUInt8(0))} ${tcpFlagsText(value.readUInt8(0))}`;
      this.#ports.rest = `${isNot ? ' !' : ''} --tcp-flags ${names}`;
      return true;
    }
    if (mask !== null) return false;
    if (offset === 0 && length === 4 && isEqual) {
      const [source, destination] = [value.readUInt16BE(0), value.readUInt16BE(2)];
      return this.#port(0, source, source, isNot) && this.#port(2, destination, destination, isNot);
    }
    if (length !== 2) return false;
    const port = value.readUInt16BE(0);
    if (isEqual) return this.#port(offset, port, port, isNot);
    // What iptables was told the other way round it writes so.
    switch (operation) {
      case OPERATION.below:
        return this.#port(offset, 0, port - 1, false);
      case OPERATION.upTo:
        return this.#port(offset, 0, port, false);
      case OPERATION.above:
        return this.#port(offset, port + 1, 0xffff, false);
      case OPERATION.from:
        return this.#port(offset, port, 0xffff, false);
      default:
        return false;
    }
  }

  #port(offset: number, first: number, last: number, isNot: boolean): boolean {
    if (this.#protocolNumber !== TCP && this.#protocolNumber !== UDP) return false;
    this.#openPorts();
    if (offset === 0) this.#ports.sport = portsText('--sport', first, last, isNot);
    else if (offset === 2) this.#ports.dport = portsText('--dport', first, last, isNot);
    else return false;
    return true;
  }

  /** What belongs to one match of ports is written where its first part is. */
  #openPorts(): void {
    if (this.#ports.at >= 0) return;
    this.#ports.at = this.#matches.length;
    this.#matches.push('');
  }
}

function dataOf(attributes: NftAttributes, type: number, values: NftAttributes): Buffer | null {
  if (!attributes.has(type)) return null;
  const { data } = attributes;
  values.read(data, attributes.start(type), attributes.end(type));
  return values.has(VALUE) ? data.subarray(values.start(VALUE), values.end(VALUE)) : null;
}

const ONES = Array.from({ length: 9 }, (_, bits) => (0xff00 >> bits) & 0xff);

/** An address with the length of its prefix, or with its mask where that is none. Null for what iptables has not. */
function prefixText(value: Buffer, mask: Buffer | null, family: Family): string | null {
  const whole = family === 4 ? 4 : 16;
  if (value.length > whole || (mask !== null && value.length !== whole)) return null;
  const length = mask === null ? 8 * value.length : prefixLength(mask);
  const address = value.length === whole ? value : Buffer.concat([value], whole);
  if (length === null && (family === 6 || mask === null)) return null;
  return `${addressAt(address, 0, family)}/${length ?? addressAt(mask as Buffer, 0, family)}`;
}

/** Null for a mask with holes. */
function prefixLength(mask: Buffer): number | null {
  let length = 0;
  for (const [i, byte] of mask.entries()) {
    const bits = ONES.indexOf(byte);
    if (bits < 0 || (bits > 0 && length < 8 * i)) return null;
    length += bits;
  }
  return length;
}
