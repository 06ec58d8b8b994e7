/** What `iptables-save` and its kin print: one table after the other, a chain or a rule a line. */
import {
  ANY,
  type FirewallChain,
  type FirewallHook,
  type FirewallRule,
  protocolNumber,
  type RuleAction,
  type RuleCondition,
} from './firewall.js';
import type { Family } from './ip-address.js';

/** Rules of one table that are looked at. */
export const RULES_LIMIT = 50_000;

const HOOKS: Readonly<Record<string, FirewallHook>> = {
  ...{ PREROUTING: 'prerouting', INPUT: 'input', FORWARD: 'forward' },
  ...{ OUTPUT: 'output', POSTROUTING: 'postrouting' },
};
/** Options that ask nothing, each with one value. */
const NO_CONDITION = new Set(['--comment', '-c']);
/** Extensions that ask by their options alone. */
const ASKS_BY_OPTIONS = new Set([
  ...['comment', 'conntrack', 'state', 'icmp', 'icmp6', 'tcp', 'udp', 'sctp', 'multiport'],
]);
/** Names of ICMP types as the tools accept them; what is printed are numbers. */
const ICMP_NAMES: Readonly<Record<string, string>> = {
  ...{ 'fragmentation-needed': '3/4', 'destination-unreachable': '3', 'packet-too-big': '2' },
};

/** Chains, and the rules past `RULES_LIMIT`. */
export interface ParsedChains {
  readonly chains: readonly FirewallChain[];
  readonly leftOut: number;
}

/** @param command the program that changes these rules, such as `ip6tables-legacy` */
export function parseIptables(text: string, family: Family, command: string): ParsedChains {
  const chains: { chain: FirewallChain; rules: FirewallRule[] }[] = [];
  let table = '';
  let left = RULES_LIMIT;
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim();
    else if (line.startsWith(':')) {
      const [name = '', policy = ''] = line.slice(1).split(' ');
      const rules: FirewallRule[] = [];
      const chain: FirewallChain = {
        ...{ tool: 'iptables', family, command: [command], table, name, rules },
        hook: policy === '-' ? null : (HOOKS[name] ?? null),
        policy: policy === 'DROP' ? 'drop' : 'accept',
      };
      chains.push({ chain, rules });
    } else if (line.startsWith('-A ')) {
      left -= 1;
      if (left < 0) continue;
      const words = wordsOf(line);
      const [, name = '', ...rest] = words;
      const own = chains.findLast(({ chain }) => chain.table === table && chain.name === name);
      own?.rules.push(parseRule(line, rest, [command, '-t', table, '-D', name, ...rest]));
    }
  }
  return { chains: chains.map(({ chain }) => chain), leftOut: Math.max(0, -left) };
}

function parseRule(
  text: string,
  words: readonly string[],
  removal: readonly string[],
): FirewallRule {
  let condition: RuleCondition = ANY;
  let action: RuleAction = { kind: 'none' };
  for (let i = 0; i < words.length; ) {
    const isNegated = words[i] === '!';
    if (isNegated) i += 1;
    const option = words[i] ?? '';
    let end = i + 1;
    while (end < words.length && !isOption(words[end] ?? '')) end += 1;
    const values = words.slice(i + 1, end);
    i = end;
    if (NO_CONDITION.has(option)) continue;
    if (option === '-j' || option === '-g') action = actionOf(option, values[0] ?? '');
    else if (option === '--set-mss') action = { kind: 'mss', bytes: Number(values[0]) };
    else if (option === '--clamp-mss-to-pmtu') action = { kind: 'mss', bytes: null };
    else if (action.kind === 'none') condition = withOption(condition, option, values, isNegated);
  }
  return { text, condition, action, removal };
}

/** `!` belongs to the option that follows it. */
function isOption(word: string): boolean {
  return word === '!' || /^--?[a-z]/iu.test(word);
}

function actionOf(option: string, target: string): RuleAction {
  if (option === '-g') return { kind: 'goto', chain: target };
  if (target === 'ACCEPT') return { kind: 'accept' };
  if (target === 'DROP' || target === 'REJECT') return { kind: 'drop' };
  if (target === 'RETURN') return { kind: 'return' };
  // Extensions are in capitals as a rule, but so are chains: who jumps to none finds none.
  return { kind: 'jump', chain: target };
}

function withOption(
  condition: RuleCondition,
  option: string,
  values: readonly string[],
  isNegated: boolean,
): RuleCondition {
  const [value = ''] = values;
  if (isNegated) {
    // Every state but these: `related` is among them, or it is not.
    if (option === '--ctstate' || option === '--state') {
      const all = ['new', 'established', 'related', 'invalid', 'untracked'];
      const out = new Set(value.toLowerCase().split(','));
      return { ...condition, states: new Set(all.filter((state) => !out.has(state))) };
    }
    return { ...condition, hasMore: true };
  }
  switch (option) {
    case '-p':
      return value === 'all'
        ? condition
        : { ...condition, protocols: new Set([protocolNumber(value)]) };
    case '-m':
      return ASKS_BY_OPTIONS.has(value) ? condition : { ...condition, hasMore: true };
    case '--icmp-type':
    case '--icmpv6-type':
      return value === 'any' ? condition : { ...condition, icmp: [icmpType(value)] };
    case '--ctstate':
    case '--state':
      return { ...condition, states: new Set(value.toLowerCase().split(',')) };
    case '-i':
      return { ...condition, incoming: value };
    case '-o':
      return { ...condition, outgoing: value };
    default:
      return { ...condition, hasMore: true };
  }
}

function icmpType(value: string): { readonly type: number; readonly code: number | null } {
  const [type = '', code] = (ICMP_NAMES[value] ?? value).split('/');
  return { type: Number(type), code: code === undefined ? null : Number(code) };
}

/** Words, with what is in double quotes as one. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (const match of line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/gu)) {
    words.push(match[2] ?? (match[1] ?? '').replace(/\\(.)/gu, '$1'));
  }
  return words;
}
