import { ipv4Text, ipv6Text } from '../packet/address-text.js';

export type Family = 4 | 6;

/** An IP address as a number of 32 or 128 bits. */
export interface IpAddress {
  readonly family: Family;
  readonly value: bigint;
}

/** The addresses that begin with the first `length` bits of an address. */
export interface Prefix extends IpAddress {
  readonly length: number;
}

export const FAMILIES: readonly Family[] = [4, 6];
/** Length of an address, bits. */
export const ADDRESS_BITS: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };
const WORD = 0xffff_ffffn;

/** The address in network byte order; null when it has neither 4 nor 16 bytes. */
export function addressFromBytes(bytes: Uint8Array): IpAddress | null {
  if (bytes.length !== 4 && bytes.length !== 16) return null;
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return { family: bytes.length === 4 ? 4 : 6, value };
}

/** An address of another family than the prefix is never in it. */
export function contains(prefix: Prefix, address: IpAddress): boolean {
  if (prefix.family !== address.family) return false;
  const rest = BigInt(ADDRESS_BITS[prefix.family] - prefix.length);
  return prefix.value >> rest === address.value >> rest;
}

export function isSameAddress(a: IpAddress, b: IpAddress): boolean {
  return a.family === b.family && a.value === b.value;
}

export function isUnspecified({ value }: IpAddress): boolean {
  return value === 0n;
}

/** 224.0.0.0/4 and ff00::/8. */
export function isMulticast({ family, value }: IpAddress): boolean {
  return family === 4 ? value >> 28n === 0xen : value >> 120n === 0xffn;
}

/** 169.254.0.0/16 and fe80::/10: no router passes them on. */
export function isLinkLocal({ family, value }: IpAddress): boolean {
  return family === 4 ? value >> 16n === 0xa9fen : value >> 118n === 0x3fan;
}

export function addressText({ family, value }: IpAddress): string {
  if (family === 4) return ipv4Text(Number(value));
  return ipv6Text(
    Number(value >> 96n),
    Number((value >> 64n) & WORD),
    Number((value >> 32n) & WORD),
    Number(value & WORD),
  );
}

/** As iproute2 writes it: `default` for everything, no length for one address. */
export function prefixText(prefix: Prefix): string {
  if (prefix.length === 0) return 'default';
  const text = addressText(prefix);
  return prefix.length === ADDRESS_BITS[prefix.family] ? text : `${text}/${prefix.length}`;
}

/** One address of the prefix that a host may have: itself, or the one after the first. */
export function hostIn(prefix: Prefix): IpAddress {
  const { family, value, length } = prefix;
  return length + 1 >= ADDRESS_BITS[family] ? { family, value } : { family, value: value + 1n };
}

/** The last one, but for the address that IPv4 takes for all of the prefix. */
export function lastIn({ family, value, length }: Prefix): IpAddress {
  const rest = ADDRESS_BITS[family] - length;
  const last = value + (1n << BigInt(rest)) - 1n;
  return { family, value: rest > 1 ? last - 1n : last };
}

export function everything(family: Family): Prefix {
  return { family, value: 0n, length: 0 };
}

export function isHost({ family, length }: Prefix): boolean {
  return length === ADDRESS_BITS[family];
}
