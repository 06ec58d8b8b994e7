import type { PathRecord, RuleRecord } from 'hopscope-protocol';
import { explainHook, unknownRecord } from '../rules/explain-hook.js';
import { explainRoute } from '../rules/explain-route.js';
import type { RuleBook } from '../rules/rule-book.js';
import type { HopQuestion } from './hop-questions.js';
import type { RouteQuestion } from './route-questions.js';

/** Whether the rules of every hop are known for its time, or will never be. */
export function isExplainable(questions: readonly HopQuestion[], book: RuleBook): boolean {
  return questions.every(({ netns, time }) => book.at(netns, time) !== 'later');
}

/** A path with the rules that it met, and of a drop by rules its chain and rule. */
export function explained(
  record: PathRecord,
  questions: readonly HopQuestion[],
  routes: readonly RouteQuestion[],
  book: RuleBook,
): PathRecord {
  const met = new Map(questions.map((question) => [question.hop, answer(question, book)]));
  const taken = new Map(routes.map((question) => [question.hop, routeOf(question, book)]));
  for (const { hop, isBefore } of routes) {
    const route = taken.get(hop) ?? [];
    const rules = met.get(hop) ?? null;
    if (rules !== null) met.set(hop, isBefore ? [...route, ...rules] : [...rules, ...route]);
  }
  const hops = record.hops.map((hop, index) => {
    const rules = met.get(index);
    return hop.stage === 'netfilter' ? { ...hop, rules: rules ?? null } : hop;
  });
  const { drop } = record;
  const last = questions.at(-1);
  const dropped = last?.question.isDropped === true ? dropping(met.get(last.hop) ?? null) : null;
  const refused = routes.findLast(({ seen }) => seen.kind === 'refused');
  const refusal = refused === undefined ? undefined : taken.get(refused.hop)?.at(-1);
  if (drop !== null && refusal?.certainty === 'seen') {
    const { chain, rule, verdict } = refusal;
    return { ...record, hops, drop: { ...drop, chain, rule: rule ?? verdict } };
  }
  if (drop === null || dropped === null) return { ...record, hops };
  const { table, chain, rule, verdict } = dropped;
  return { ...record, hops, drop: { ...drop, table, chain, rule: rule ?? verdict } };
}

function routeOf({ netns, time, key, seen, isSent }: RouteQuestion, book: RuleBook): RuleRecord[] {
  const found = book.at(netns, time);
  const network = typeof found === 'string' ? null : found.network;
  return network === null ? [] : explainRoute(network, key, seen, isSent);
}

function answer(
  { netns, time, question }: HopQuestion,
  book: RuleBook,
): readonly RuleRecord[] | null {
  const found = book.at(netns, time);
  if (found === 'none') return [];
  if (found === 'later' || found === 'unread') return null;
  if (found === 'changed') {
    book.counters.changed += 1;
    const family = question.packet.family === 4 ? 'ipv4' : 'ipv6';
    const why = 'the rules changed while the packet passed';
    return [unknownRecord('nft', family, '', question.hook, why)];
  }
  const met = explainHook(found, question);
  // Of tables that were not read it is not known that none was met.
  return met.length === 0 && !found.isWhole(question.packet.family) ? null : met;
}

/** The rule that dropped, where it is sure. */
function dropping(rules: readonly RuleRecord[] | null): RuleRecord | null {
  const last = rules?.findLast(({ verdict }) => /^(?:drop$|reject |policy DROP)/u.test(verdict));
  return last?.certainty === 'seen' ? last : null;
}
