import type { PathRecord, RuleRecord } from 'hopscope-protocol';
import { explainHook, unknownRecord } from '../rules/explain-hook.js';
import type { RuleBook } from '../rules/rule-book.js';
import type { HopQuestion } from './hop-questions.js';

/** Whether the rules of every hop are known for its time, or will never be. */
export function isExplainable(questions: readonly HopQuestion[], book: RuleBook): boolean {
  return questions.every(({ netns, time }) => book.at(netns, time) !== 'later');
}

/** A path with the rules that it met, and of a drop by rules its chain and rule. */
export function explained(
  record: PathRecord,
  questions: readonly HopQuestion[],
  book: RuleBook,
): PathRecord {
  const met = new Map(questions.map((question) => [question.hop, answer(question, book)]));
  const hops = record.hops.map((hop, index) => {
    const rules = met.get(index);
    return hop.stage === 'netfilter' ? { ...hop, rules: rules ?? null } : hop;
  });
  const { drop } = record;
  const last = questions.at(-1);
  const dropped = last?.question.isDropped === true ? dropping(met.get(last.hop) ?? null) : null;
  if (drop === null || dropped === null) return { ...record, hops };
  const { table, chain, rule, verdict } = dropped;
  return { ...record, hops, drop: { ...drop, table, chain, rule: rule ?? verdict } };
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
