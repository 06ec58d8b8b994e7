import type { RuleRecord } from 'hopscope-protocol';

/** The rules that a packet met in one table, and the one that decided. */
export interface TableRules {
  readonly name: string;
  readonly backend: RuleRecord['backend'];
  readonly rules: readonly IndentedRule[];
  readonly deciding: RuleRecord;
}

export interface IndentedRule {
  readonly rule: RuleRecord;
  /** Chains that led to its own. */
  readonly depth: number;
}

/** Table by table, in the order in which the packet came to them. */
export function rulesByTable(rules: readonly RuleRecord[]): TableRules[] {
  const tables: { name: string; rules: RuleRecord[] }[] = [];
  for (const rule of rules) {
    const name = rule.family === 'ipv6' ? `ip6 ${rule.table}` : rule.table;
    const last = tables.at(-1);
    if (last?.name === name) last.rules.push(rule);
    else tables.push({ name, rules: [rule] });
  }
  return tables.flatMap(({ name, rules: own }) => {
    const deciding = decidingOf(own);
    return deciding === undefined
      ? []
      : [{ name, backend: deciding.backend, rules: indented(own), deciding }];
  });
}

/** What was done to the packet says more than the rule that let it go on. */
function decidingOf(rules: readonly RuleRecord[]): RuleRecord | undefined {
  const says = (pattern: RegExp): RuleRecord | undefined =>
    rules.findLast(({ verdict }) => pattern.test(verdict));
  return (
    says(/^(?:drop|reject|policy DROP)/) ??
    says(/^(?:dnat|snat|masquerade|redirect)/) ??
    rules.at(-1)
  );
}

function indented(rules: readonly RuleRecord[]): IndentedRule[] {
  let within: string[] = [];
  return rules.map((rule) => {
    const known = within.indexOf(rule.chain);
    within = known < 0 ? [...within, rule.chain] : within.slice(0, known + 1);
    return { rule, depth: within.length - 1 };
  });
}

/** How sure it is, in words. */
export function certaintyText({ certainty, of }: RuleRecord): string {
  return certainty === 'one-of' ? `one of ${of ?? '?'}` : certainty;
}

/** A rule in words: what it means where that is known, else what it did. */
export function ruleWords({ source, verdict, chain }: RuleRecord): string {
  return source === null ? `${chain}: ${verdict}` : source.text;
}
