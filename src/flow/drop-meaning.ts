/** What a drop says of its packet. */
export type DropMeaning =
  | 'too-big'
  /** The kernel does not say why: devices that take no more say nothing else. */
  | 'unspecified'
  /** The checksum of UDP: in a tunnel that of the packet around. */
  | 'checksum'
  /** A fragment whose others did not come, or not in time. */
  | 'unassembled'
  /** A TCP segment that had arrived already. */
  | 'duplicate'
  | 'other';

/** By the name of enum skb_drop_reason (include/net/dropreason-core.h), without its prefix. */
const MEANINGS: ReadonlyMap<string, DropMeaning> = new Map([
  ['PKT_TOO_BIG', 'too-big'],
  ['NOT_SPECIFIED', 'unspecified'],
  ['UDP_CSUM', 'checksum'],
  ['FRAG_REASM_TIMEOUT', 'unassembled'],
  ['FRAG_TOO_FAR', 'unassembled'],
  ['TCP_OLD_DATA', 'duplicate'],
  ['TCP_OLD_SEQUENCE', 'duplicate'],
  ['TCP_OLD_ACK', 'duplicate'],
] as const);

export function dropMeaning(reason: string): DropMeaning {
  return MEANINGS.get(reason) ?? 'other';
}
