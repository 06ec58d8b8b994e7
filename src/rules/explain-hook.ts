import type { Hook, RuleRecord } from 'hopscope-protocol';
import { judge } from './agreeing.js';
import { IPVS_PRIORITY, ipvsRecord, serviceFor } from './ipvs.js';
import type { RegisteredChain } from './met.js';
import { deviceFor } from './network-text.js';
import type { Endpoints, Packet } from './packet.js';
import { ruleRecord } from './rule-record.js';
import type { RuleSet } from './rule-set.js';
import { mayBecome } from './translate.js';
import { maskedEquals } from './truth.js';
import { type Way, walkChains } from './walk.js';

/** Answers kept of one rule set; when it is full all are removed. */
export const ANSWERS_LIMIT = 2_048;

/** What was seen of a packet in a hook between two places. */
export interface HookQuestion {
  readonly hook: Hook;
  /** Tables with a higher priority than `after` and a lower one than `before`. */
  readonly after: number;
  readonly before: number;
  readonly packet: Packet;
  /** Whether the rules dropped it; null where it was not seen again. */
  readonly isDropped: boolean | null;
  /** How it was seen next; null where it was not, or was put into another packet. */
  readonly next: (Endpoints & { readonly mark: number }) | null;
}

const answers = new WeakMap<RuleSet, Map<string, readonly RuleRecord[]>>();

/** The rules that a packet met; the same list for packets of the same shape. */
export function explainHook(rules: RuleSet, question: HookQuestion): readonly RuleRecord[] {
  const { hook, after, before, packet } = question;
  const taken = takenByIpvs(rules, question);
  if (taken !== null) {
    // What comes later in this hook does not see it any more.
    const { at, record } = taken;
    return [...explainHook(rules, { ...question, before: at, next: null }), record];
  }
  const chains = rules.registered(packet.family, hook).filter(({ chain: { base } }) => {
    const priority = base?.priority ?? 0;
    return priority > after && priority < before;
  });
  if (chains.length === 0) return [];
  let known = answers.get(rules);
  if (known === undefined) {
    known = new Map();
    answers.set(rules, known);
  }
  const key = keyOf(question);
  const answer = known.get(key);
  if (answer !== undefined) return answer;
  const found = evaluate(rules, chains, routed(rules, question));
  if (known.size >= ANSWERS_LIMIT) {
    rules.counters.answersForgotten += known.size;
    known.clear();
  }
  known.set(key, found);
  return found;
}

/** IPVS sends a packet on from its place in a hook. */
function takenByIpvs(
  rules: RuleSet,
  { hook, after, before, packet, next }: HookQuestion,
): { readonly at: number; readonly record: RuleRecord } | null {
  const at = IPVS_PRIORITY[hook];
  if (at === undefined || at <= after || at >= before || next === null) return null;
  if (next.dst === packet.dst && next.dport === packet.dport) return null;
  const service = serviceFor(rules.ipvs, packet);
  const family = packet.family === 4 ? 'ipv4' : 'ipv6';
  const record = service === null ? null : ipvsRecord(service, family, next);
  return record === null ? null : { at, record };
}

/** With the device that routing chose, where the packet was not seen to leave. */
function routed({ network }: RuleSet, question: HookQuestion): HookQuestion {
  const { packet } = question;
  if (packet.outgoing !== null || network === null) return question;
  const outgoing = deviceFor(network, packet);
  return { ...question, packet: { ...packet, outgoing } };
}

function evaluate(
  rules: RuleSet,
  chains: readonly RegisteredChain[],
  { packet, isDropped, next }: HookQuestion,
): RuleRecord[] {
  const { tracked } = packet;
  const isSettled = tracked !== null && (tracked.state !== 'new' || tracked.isNatSettled === true);
  const agrees = (way: Way): boolean => {
    if (isDropped !== null && way.isDropped !== isDropped) return false;
    if (way.isDropped || next === null) return true;
    if (maskedEquals(way.mark, way.markUnknown, 0xffffffff, next.mark) === false) return false;
    // Of a known connection the kernel translates what its first packet's rules decided.
    return (isSettled && way.nat === null) || mayBecome(packet, way.nat, next);
  };
  const { ways, cut: stopped } = walkChains(chains, packet, rules.around, agrees, next);
  // What a table that was not read did is not known, nor whether those that were read saw the packet.
  const cut = stopped ?? (rules.isWhole(packet.family) ? null : 'RULES_INCOMPLETE');
  if (cut !== null) rules.counters.cut += 1;
  if (ways.length === 0) {
    if (cut === null) rules.counters.unexplained += 1;
    return chains.map((chain) => unexplained(chain, cut));
  }
  return judge(
    { ways, cut },
    {
      isDropped,
      isTranslated: next !== null && !isSame(packet, next),
      isMarked: next !== null && next.mark !== packet.mark,
    },
  ).map(ruleRecord);
}

function isSame(a: Endpoints, b: Endpoints): boolean {
  return a.src === b.src && a.dst === b.dst && a.sport === b.sport && a.dport === b.dport;
}

/** No way through the rules that were read agrees with what was seen. */
function unexplained({ table, chain }: RegisteredChain, cut: string | null): RuleRecord {
  const why =
    cut === null
      ? 'no way through the rules that were read agrees with what was seen'
      : `the rules were not followed to their end: ${cut}`;
  return unknownRecord(table.backEnd, table.family, table.name, chain.name, why);
}

export function unknownRecord(
  backend: RuleRecord['backend'],
  family: RuleRecord['family'],
  table: string,
  chain: string,
  why: string,
): RuleRecord {
  return {
    ...{ backend, family, table, chain, rule: null, position: null, handle: null },
    ...{ verdict: 'unknown', certainty: 'unknown', of: null },
    source: { kind: null, name: null, text: why },
  };
}

function keyOf({ hook, after, before, packet, isDropped, next }: HookQuestion): string {
  return JSON.stringify([hook, after, before, isDropped, packet, next], (_key, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
}
