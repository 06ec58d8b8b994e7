import { isIPv4, isIPv6 } from 'node:net';
import type { Family } from '../network/ip-address.js';

/** IPv4 as an unsigned number of 32 bits, IPv6 as a bigint: what comparing them costs the least. */
export type Address = number | bigint;

/** Addresses from `first` to `last`, both included. */
export interface AddressRange {
  readonly first: Address;
  readonly last: Address;
}

/** Null for what is no address. */
export function parseAddress(text: string): Address | null {
  if (isIPv4(text)) return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  if (!isIPv6(text) || text.includes('%')) return null;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/u.exec(text);
  if (dotted !== null) {
    const low = parseAddress(dotted[2] ?? '') as number;
    const words = `${(low >>> 16).toString(16)}:${(low & 0xffff).toString(16)}`;
    return parseAddress(`${dotted[1]}${words}`);
  }
  const [head = '', tail] = text.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const words = [...before, ...Array(8 - before.length - after.length).fill('0'), ...after];
  return words.reduce((sum, word) => (sum << 16n) | BigInt(`0x${word}`), 0n);
}

export function familyOf(address: Address): Family {
  return typeof address === 'number' ? 4 : 6;
}

/** The prefix that `10.0.0.0/8`, `10.0.0.0/255.0.0.0` or one address stands for, as a range. */
export function parsePrefix(text: string): AddressRange | null {
  const [base = '', mask] = text.split('/');
  const address = parseAddress(base);
  if (address === null) return null;
  const bits = typeof address === 'number' ? 32 : 128;
  const length = mask === undefined ? bits : prefixLength(mask, bits);
  return length === null ? null : prefixRange(address, length);
}

export function prefixRange(address: Address, length: number): AddressRange {
  if (typeof address === 'number') {
    const size = 2 ** (32 - length);
    const first = Math.floor(address / size) * size;
    return { first, last: first + size - 1 };
  }
  const rest = BigInt(128 - length);
  const first = (address >> rest) << rest;
  return { first, last: first + (1n << rest) - 1n };
}

/** Null also for a mask with holes, which is no prefix. */
function prefixLength(mask: string, bits: number): number | null {
  if (/^\d{1,3}$/u.test(mask)) return Number(mask) <= bits ? Number(mask) : null;
  const value = parseAddress(mask);
  if (value === null || (typeof value === 'number') !== (bits === 32)) return null;
  const ones = BigInt(value).toString(2).padStart(bits, '0');
  return /^1*0*$/u.test(ones) ? ones.replace(/0+$/u, '').length : null;
}

export function isWithin(address: Address, { first, last }: AddressRange): boolean {
  return typeof address === typeof first && address >= first && address <= last;
}
