/**
 * Rules of iptables and nftables in one form: tables have chains, chains have rules, a rule is a
 * list of steps. A packet takes the steps in order, up to a match that is not met.
 */
import type { Hook } from 'hopscope-protocol';
import type { Address, AddressRange } from './address.js';
import type { Packet, Surroundings } from './packet.js';

export type BackEnd = 'iptables-nft' | 'iptables-legacy' | 'nft';

/** Whether a packet meets a match; null where that cannot be known. */
export type Truth = boolean | null;

export type Verdict =
  | { readonly kind: 'accept' | 'return' | 'stop' }
  /** What is sent back, for a packet that is refused with an answer. */
  | { readonly kind: 'drop'; readonly reject: string | null }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

/** What a packet's addresses are translated to. */
export interface Nat {
  readonly kind: 'dnat' | 'snat' | 'masquerade' | 'redirect';
  /** Null where the rule leaves it as it is, or to the kernel. */
  readonly addresses: AddressRange | null;
  readonly ports: PortRange | null;
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** One of the choices that a map offers: what is done, and the comment of its element. */
export interface Choice {
  readonly step: Step | null;
  readonly comment: string | null;
}

export type Test = (packet: Packet, around: Surroundings, walk: WalkState) => Truth;

export type Step =
  | { readonly kind: 'match'; readonly test: Test; readonly what: string }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | { readonly kind: 'nat'; readonly nat: Nat }
  /** New mark: `(mark & keep) ^ flip`; null where the value is not known. */
  | { readonly kind: 'mark'; readonly keep: number; readonly flip: number | null }
  | { readonly kind: 'ctmark'; readonly keep: number; readonly flip: number | null }
  /** `save`: the connection gets the packet's mark, `restore`: the other way; of these bits. */
  | { readonly kind: 'save' | 'restore'; readonly mask: number; readonly toMask: number }
  /** Which of several things is done: more than one where chance decides, none without an element. */
  | {
      readonly kind: 'choose';
      readonly choices: (
        packet: Packet,
        around: Surroundings,
        walk: WalkState,
      ) => readonly Choice[] | null;
      readonly what: string;
    }
  | { readonly kind: 'note'; readonly what: string }
  /** May do anything to the packet. */
  | { readonly kind: 'unknown'; readonly what: string };

/** What rules change, and later ones ask for. */
export interface WalkState {
  readonly mark: number;
  /** Bits of the mark that are not known. */
  readonly markUnknown: number;
  readonly ctMark: number;
  readonly ctMarkUnknown: number;
  readonly isUntracked: boolean;
}

export interface Rule {
  /** As its own tool writes it. */
  readonly text: string;
  /** 1 for the first of its chain. */
  readonly position: number;
  readonly handle: number | null;
  readonly comment: string | null;
  readonly steps: readonly Step[];
}

export interface BaseChain {
  readonly hook: Hook;
  readonly priority: number;
  readonly isNat: boolean;
  readonly policy: 'accept' | 'drop';
}

export interface Chain {
  readonly name: string;
  /** Null for one that others jump to. */
  readonly base: BaseChain | null;
  readonly rules: RuleList;
  /** Whether rules after these were left out. */
  readonly isCut: boolean;
}

export interface Table {
  readonly backEnd: BackEnd;
  readonly family: 'ipv4' | 'ipv6' | 'inet';
  readonly name: string;
  readonly chains: ReadonlyMap<string, Chain>;
  /** Those at hooks. */
  readonly bases: readonly Chain[];
}

/** The rules of a chain; what has been read of them is understood when a packet comes by. */
export interface RuleList {
  readonly length: number;
  at(index: number): Rule;
  /** The first rule from `from` on that may take the destination, or `length`. */
  next(from: number, destination: Address): number;
}

/** Why not all ways of a packet were followed. */
export type Cut =
  | 'RULES_TOO_MANY_WAYS'
  | 'RULES_LOOP'
  | 'RULES_TOO_DEEP'
  /** Some are past the limit. */
  | 'RULES_LEFT_OUT'
  /** Some tables were not read, or not understood. */
  | 'RULES_INCOMPLETE';
