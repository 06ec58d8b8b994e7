/**
 * What matches and targets of x_tables keep in the kernel, in the byte order of the machine. Layouts are those of
 * include/uapi/linux/netfilter/xt_*.h.
 */
import type { Family } from '../network/ip-address.js';
import { ipv4Text, ipv6Text } from '../packet/address-text.js';

/** The bytes of one match or target, as the kernel gave them. */
export class Blob {
  readonly family: Family;
  readonly #data: Buffer;
  readonly #at: number;
  readonly length: number;

  constructor(data: Buffer, at: number, length: number, family: Family) {
    this.#data = data;
    this.#at = at;
    this.length = length;
    this.family = family;
  }

  /** @throws RangeError past its end */
  u8(at: number): number {
    return this.#data.readUInt8(this.#within(at, 1));
  }

  u16(at: number): number {
    return this.#data.readUInt16LE(this.#within(at, 2));
  }

  u32(at: number): number {
    return this.#data.readUInt32LE(this.#within(at, 4));
  }

  /** In network byte order. */
  be16(at: number): number {
    return this.#data.readUInt16BE(this.#within(at, 2));
  }

  /** Up to its NUL, in a field of so many bytes. */
  text(at: number, size: number): string {
    const from = this.#within(at, size);
    const end = this.#data.indexOf(0, from);
    return this.#data.toString('utf8', from, end < 0 || end > from + size ? from + size : end);
  }

  /** union nf_inet_addr. */
  address(at: number): string {
    return addressAt(this.#data, this.#within(at, 16), this.family);
  }

  /** An IPv4 address alone. */
  ipv4(at: number): string {
    return addressAt(this.#data, this.#within(at, 4), 4);
  }

  #within(at: number, size: number): number {
    if (at + size > this.length) throw new RangeError('a match is shorter than it should be');
    return this.#at + at;
  }
}

export function addressAt(data: Buffer, at: number, family: Family): string {
  if (family === 4) return ipv4Text(data.readUInt32BE(at));
  const word = (index: number): number => data.readUInt32BE(at + 4 * index);
  return ipv6Text(word(0), word(1), word(2), word(3));
}

const PLAIN = /^[A-Za-z0-9_-]+$/u;

/** As iptables writes what somebody chose: in quotes where it is more than a word. */
export function quoted(text: string): string {
  return PLAIN.test(text) ? text : `"${text.replace(/["'\\]/gu, '\\$&')}"`;
}

export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** `80`, `1000:2000`. */
export function rangeText(first: number, last: number, between = ':'): string {
  return first === last ? String(first) : `${first}${between}${last}`;
}

/** `/0x3`; a mask of all bits is not written. */
export function maskText(mask: number): string {
  return mask === 0xffffffff ? '' : `/${hex(mask)}`;
}
