import { DecodedPacket } from '../../src/packet/decoded-packet.js';
import { hasPacketText, PACKET_TEXT } from './packet-text.js';

export type Summary = Record<string, string | number | boolean>;

/** The decoder's own state while it walks, of no meaning afterwards. */
const INTERNAL: ReadonlySet<string> = new Set(['cursor', 'limit', 'end']);

const FRESH = new DecodedPacket();

/** Names of the fields that carry a result, in the order of the class. */
export const RESULT_FIELDS = (Object.keys(FRESH) as (keyof DecodedPacket)[]).filter(
  (name) => !INTERNAL.has(name),
) as readonly (keyof DecodedPacket)[];

/** The value a field has in a packet of which nothing is known. */
export function absent(name: keyof DecodedPacket): unknown {
  return FRESH[name];
}

/**
 * What a packet says, with nothing left out: every field that differs from that of
 * a packet of which nothing is known, addresses as text.
 */
export function summary(p: DecodedPacket): Summary {
  const result: Summary = {};
  for (const name of RESULT_FIELDS) {
    const value = p[name];
    if (value === absent(name)) continue;
    // An address lies in several fields: src0 to src3, macSrcHi and macSrcLo.
    const address = name.replace(/([0-3]|Hi|Lo)$/, '');
    if (hasPacketText(address)) result[address] = PACKET_TEXT[address](p);
    else result[name] = value as string | number | boolean;
  }
  return result;
}
