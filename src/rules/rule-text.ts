/**
 * The rules of a namespace as its tools print them: plain values, which one process may read and another
 * understand. Texts are in pieces that end where a line does, so that nothing has to be done with all of it at once.
 */
import type { Family } from '../network/ip-address.js';

/** `nft-text`: the table of the text that follows, as nft writes it for people. */
export type RuleTool = 'iptables-nft' | 'iptables-legacy' | 'nft-text' | 'nft' | 'ipset' | 'ipvs';

export interface RuleText {
  readonly tool: RuleTool;
  /** Of iptables; null for what is for both. */
  readonly family: Family | null;
  readonly pieces: readonly string[];
}

export interface RuleProblem {
  /** Stays the same. */
  readonly code: string;
  readonly message: string;
  /** Whose packets it concerns; null for both. */
  readonly family: Family | null;
}

export interface NamespaceRules {
  /** The number that records name the namespace by. */
  readonly netns: number;
  /** Since when nothing of it has changed, and up to when that is known: kernel monotonic ns, decimal. */
  readonly from: string;
  readonly until: string;
  readonly texts: readonly RuleText[];
  /** Devices, routes and the rules of routing, as `network-text.ts` writes them; null where they were not read. */
  readonly network: string | null;
  readonly problems: readonly RuleProblem[];
}

/** What a reader says of the rules of a namespace, in the order in which it found it. */
export type RulesNews =
  | { readonly kind: 'read'; readonly rules: NamespaceRules }
  /** Nothing has changed up to then: kernel monotonic ns, decimal. */
  | { readonly kind: 'same'; readonly netns: number; readonly until: string }
  | { readonly kind: 'gone'; readonly netns: number };
