/** An address as a number of so many bits. */
interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

export interface Prefix {
  readonly bits: 32 | 128;
  readonly value: bigint;
  readonly length: number;
}

function parseV4(text: string): bigint | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  let value = 0n;
  for (const part of match.slice(1)) {
    if (Number(part) > 255) return null;
    value = value * 256n + BigInt(part);
  }
  return value;
}

function groupsOf(text: string): bigint[] | null {
  if (text === '') return [];
  const groups: bigint[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    const v4 = index === parts.length - 1 ? parseV4(part) : null;
    if (v4 !== null) groups.push(v4 >> 16n, v4 & 0xffffn);
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(BigInt(`0x${part}`));
    else return null;
  }
  return groups;
}

function parseV6(text: string): bigint | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = groupsOf(halves[0] ?? '');
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '') : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const groups = [...head, ...new Array<bigint>(missing).fill(0n), ...tail];
  return groups.reduce((value, group) => value * 65536n + group, 0n);
}

function parseAddress(text: string): Address | null {
  const v4 = parseV4(text);
  if (v4 !== null) return { bits: 32, value: v4 };
  const v6 = text.includes(':') ? parseV6(text) : null;
  return v6 === null ? null : { bits: 128, value: v6 };
}

/** `10.0.0.0/8` or `fd00::/8`; null for anything else, an address without a length among it. */
export function parsePrefix(text: string): Prefix | null {
  const match = /^([0-9a-f:.]+)\/(\d{1,3})$/i.exec(text);
  const address = match?.[1] === undefined ? null : parseAddress(match[1]);
  const length = Number(match?.[2]);
  if (address === null || length > address.bits) return null;
  return { ...address, length };
}

/** Whether an address in its usual text form lies in a prefix. */
export function isWithin(text: string, prefix: Prefix): boolean {
  const address = parseAddress(text);
  if (address === null || address.bits !== prefix.bits) return false;
  const shift = BigInt(prefix.bits - prefix.length);
  return address.value >> shift === prefix.value >> shift;
}

/** Whether it may be the begin of an IPv6 address, which needs no quotes in a filter. */
export function looksLikeIpv6(text: string): boolean {
  return /^[0-9a-f]{0,4}:[0-9a-f:.]*(\/\d*)?\*?$/i.test(text) && text.split(':').length > 2;
}
