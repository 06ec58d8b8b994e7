import type { RuleRecord } from 'hopscope-protocol';
import type { Judged } from './agreeing.js';
import { sourceOf } from './source-object.js';

/** A rule as records have it. */
export function ruleRecord({ met, certainty, of }: Judged): RuleRecord {
  const { table, chain, rule, verdict } = met;
  return {
    backend: table.backEnd,
    family: table.family,
    table: table.name,
    chain: chain.name,
    rule: rule?.text ?? null,
    position: rule?.position ?? null,
    handle: rule?.handle ?? null,
    verdict,
    certainty,
    of,
    source: sourceOf(met),
  };
}
