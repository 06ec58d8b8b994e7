const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);

function hex(byte: number): string {
  return HEX[byte & 0xff] as string;
}

/** A MAC address from its upper and lower 24 bits: `32:21:45:c4:c5:d5`. */
export function macText(hi: number, lo: number): string {
  return (
    `${hex(hi >> 16)}:${hex(hi >> 8)}:${hex(hi)}:` + `${hex(lo >> 16)}:${hex(lo >> 8)}:${hex(lo)}`
  );
}

/** An IPv4 address from its 32 bits in host order. */
export function ipv4Text(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`;
}

/**
 * An IPv6 address from four 32-bit words, most significant first, in the form of
 * RFC 5952: lower case, no leading zeros, the longest run of two or more zero
 * groups (the first of equals) as `::`; IPv4-mapped addresses end in dotted form.
 */
export function ipv6Text(w0: number, w1: number, w2: number, w3: number): string {
  if (w0 === 0 && w1 === 0 && w2 === 0xffff) return `::ffff:${ipv4Text(w3)}`;
  const groups = [
    w0 >>> 16,
    w0 & 0xffff,
    w1 >>> 16,
    w1 & 0xffff,
    w2 >>> 16,
    w2 & 0xffff,
    w3 >>> 16,
    w3 & 0xffff,
  ];
  let bestStart = -1;
  let bestLength = 1;
  let start = -1;
  for (let i = 0; i <= 8; i++) {
    if (i < 8 && groups[i] === 0) {
      if (start < 0) start = i;
    } else if (start >= 0) {
      if (i - start > bestLength) {
        bestStart = start;
        bestLength = i - start;
      }
      start = -1;
    }
  }
  const text = groups.map((group) => group.toString(16));
  if (bestStart < 0) return text.join(':');
  return `${text.slice(0, bestStart).join(':')}::${text.slice(bestStart + bestLength).join(':')}`;
}

/**
 * An address as `DecodedPacket` keeps it. Family 4 uses `w3` alone; any other
 * family than 4 and 6 gives the empty string.
 */
export function addressText(
  family: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): string {
  if (family === 4) return ipv4Text(w3);
  if (family === 6) return ipv6Text(w0, w1, w2, w3);
  return '';
}
