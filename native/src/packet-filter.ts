/** pcap-filter expressions compiled by libpcap. */
import { addon } from './addon.js';
import { checkInteger, checkName, checkString } from './argument.js';
import { badArgument } from './error.js';

/** One instruction of classic BPF, struct bpf_insn of pcap/bpf.h. */
export interface ClassicInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export interface PacketFilterOptions {
  /** What the packet begins with: an Ethernet header, or IPv4 or IPv6 at once. */
  readonly linkType: 'ethernet' | 'raw';
  /** What an accepting program returns, bytes; 262144 when absent. */
  readonly snapLength?: number;
}

/** DLT_EN10MB and DLT_RAW of pcap/dlt.h on Linux. */
const LINK_TYPES = { ethernet: 1, raw: 12 } as const;

/** Longest expression, characters: libpcap's optimizer recurses over what it is given. */
export const EXPRESSION_MAX = 4096;

/**
 * Compiles an expression of pcap-filter(7); the empty one accepts everything.
 * Host names in it are resolved by the system, which may take time.
 * PCAP_SYNTAX, with libpcap's message, for one it refuses.
 */
export function compilePacketFilter(
  expression: string,
  options: PacketFilterOptions,
): ClassicInstruction[] {
  const operation = 'compilePacketFilter';
  if (typeof options !== 'object' || options === null) {
    throw badArgument(operation, 'options must be an object');
  }
  const text =
    expression === '' ? '' : checkString(operation, 'expression', expression, EXPRESSION_MAX);
  const linkType = checkName(operation, 'linkType', LINK_TYPES, options.linkType);
  const snapLength = checkInteger(
    operation,
    'snapLength',
    options.snapLength ?? 262_144,
    1,
    2 ** 31 - 1,
  );
  const words = addon.compilePacketFilter(text, linkType, snapLength);
  const instructions: ClassicInstruction[] = [];
  for (let i = 0; i + 3 < words.length; i += 4) {
    instructions.push({
      code: words[i] ?? 0,
      jt: words[i + 1] ?? 0,
      jf: words[i + 2] ?? 0,
      k: words[i + 3] ?? 0,
    });
  }
  return instructions;
}
