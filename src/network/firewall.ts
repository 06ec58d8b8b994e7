/** Rules of iptables and nftables, as far as it matters to ICMP errors and to the MSS of TCP. */
import type { Family } from './ip-address.js';

export type FirewallHook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** What a rule asks of a packet. What it asks besides is only known to be there. */
export interface RuleCondition {
  /** IP protocols it takes; null for all. */
  readonly protocols: ReadonlySet<number> | null;
  /** Types of ICMP, with their code or null for all codes; null for all types. */
  readonly icmp: readonly { readonly type: number; readonly code: number | null }[] | null;
  /** States of connection tracking, in lower case; null for all. */
  readonly states: ReadonlySet<string> | null;
  readonly incoming: string | null;
  readonly outgoing: string | null;
  /** IP versions it takes; null for all. */
  readonly family: Family | null;
  /** Whether addresses, sets, marks, limits or the like have a say. */
  readonly hasMore: boolean;
}

export type RuleAction =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'none' | 'unknown' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** Lowers the MSS of TCP to so many bytes; null: to what the route's MTU leaves. */
  | { readonly kind: 'mss'; readonly bytes: number | null };

export interface FirewallRule {
  /** As its own tool writes it. */
  readonly text: string;
  readonly condition: RuleCondition;
  readonly action: RuleAction;
  /** The words of a command that removes it. */
  readonly removal: readonly string[];
}

export interface FirewallChain {
  readonly tool: 'iptables' | 'nft';
  /** Of its table: null for both IP versions. */
  readonly family: Family | null;
  /** Program that changes it, such as `ip6tables-legacy`; for nft the family and name of the table follow. */
  readonly command: readonly string[];
  readonly table: string;
  readonly name: string;
  /** Null for a chain that others jump to. */
  readonly hook: FirewallHook | null;
  readonly policy: 'accept' | 'drop';
  readonly rules: readonly FirewallRule[];
}

export const ANY: RuleCondition = {
  ...{ protocols: null, icmp: null, states: null, incoming: null, outgoing: null },
  ...{ family: null, hasMore: false },
};

export const ICMP = 1;
export const ICMPV6 = 58;

/** Protocols by the names that the tools write; others are numbers, or of no interest here. */
const PROTOCOLS: Readonly<Record<string, number>> = {
  ...{ icmp: ICMP, 'ipv6-icmp': ICMPV6, icmpv6: ICMPV6, tcp: 6, udp: 17, sctp: 132, gre: 47 },
  ...{ esp: 50, ah: 51, ipencap: 4, ipip: 4, ipv6: 41, dccp: 33, udplite: 136 },
};

/** -1 for a name that is not known. */
export function protocolNumber(name: string): number {
  return PROTOCOLS[name] ?? (/^\d+$/u.test(name) ? Number(name) : -1);
}
