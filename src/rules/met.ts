import { addressText } from '../network/ip-address.js';
import { type Address, familyOf } from './address.js';
import type { Chain, Nat, Rule, Table, Verdict } from './model.js';

/** A chain at a hook, with its table. */
export interface RegisteredChain {
  readonly table: Table;
  readonly chain: Chain;
}

/** A rule that a packet met, or a chain's policy. */
export interface Met extends RegisteredChain {
  /** Null: the policy. */
  readonly rule: Rule | null;
  /** In words; of a rule that only changes the packet what it changes. */
  readonly verdict: string;
  /** What of the rule could not be evaluated, and was taken as met; null without such. */
  readonly taken: string | null;
  /** Of the element of a map that decided. */
  readonly comment: string | null;
  readonly effect: 'none' | 'mark' | 'nat' | 'drop';
}

/** What was met, the newest first: ways that part share what lies before. */
export interface Trail {
  readonly met: Met;
  readonly before: Trail | null;
}

/** In order. */
export function listOf(trail: Trail | null): Met[] {
  const list: Met[] = [];
  for (let at = trail; at !== null; at = at.before) list.push(at.met);
  return list.reverse();
}

/** The same for the same rule with the same verdict. */
export function metKey({ table, chain, rule, verdict }: Met): string {
  return `${table.backEnd} ${table.family} ${table.name} ${chain.name} ${rule?.position ?? 0} ${verdict}`;
}

/** In words. */
export function verdictText(verdict: Verdict): string {
  if ('chain' in verdict) return `${verdict.kind} ${verdict.chain}`;
  if (verdict.kind === 'drop' && verdict.reject !== null) return `reject with ${verdict.reject}`;
  return verdict.kind;
}

/** In words. */
export function natText({ kind, addresses, ports }: Nat): string {
  const address =
    addresses === null ? '' : rangeText(textOf(addresses.first), textOf(addresses.last));
  const port = ports === null ? '' : `:${rangeText(String(ports.first), String(ports.last))}`;
  const to = `${address}${port}`;
  return to === '' ? kind : `${kind} ${to}`;
}

function rangeText(first: string, last: string): string {
  return first === last ? first : `${first}-${last}`;
}

function textOf(address: Address): string {
  return addressText({ family: familyOf(address), value: BigInt(address) });
}
