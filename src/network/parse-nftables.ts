/** What `nft -j list ruleset` prints (libnftables-json(5)), as far as it is of interest here. */
import {
  ANY,
  type FirewallChain,
  type FirewallHook,
  type FirewallRule,
  ICMP,
  ICMPV6,
  protocolNumber,
  type RuleAction,
  type RuleCondition,
} from './firewall.js';
import type { Family } from './ip-address.js';
import { type ParsedChains, RULES_LIMIT } from './parse-iptables.js';

const FAMILIES: Readonly<Record<string, Family | null>> = { ip: 4, ip6: 6, inet: null };
const HOOKS: readonly string[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];
const TYPES4: Readonly<Record<string, number>> = {
  ...{ 'echo-reply': 0, 'destination-unreachable': 3, 'echo-request': 8, 'time-exceeded': 11 },
  'parameter-problem': 12,
};
const TYPES6: Readonly<Record<string, number>> = {
  ...{ 'destination-unreachable': 1, 'packet-too-big': 2, 'time-exceeded': 3 },
  ...{ 'parameter-problem': 4, 'echo-request': 128, 'echo-reply': 129 },
};
const CODES4: Readonly<Record<string, number>> = { 'frag-needed': 4 };
const UNREACHABLE = 3;
/** An ICMP code without a type. */
const ANY_TYPE = -1;

type Json = Readonly<Record<string, unknown>>;

/** @throws SyntaxError where it is no JSON */
export function parseNftables(text: string): ParsedChains {
  const parsed: unknown = JSON.parse(text);
  const entries = isObject(parsed) && Array.isArray(parsed['nftables']) ? parsed['nftables'] : [];
  const chains = new Map<string, { chain: FirewallChain; rules: FirewallRule[] }>();
  let left = RULES_LIMIT;
  for (const entry of entries) {
    if (!isObject(entry)) continue;
    const { chain, rule } = entry;
    if (isObject(chain)) addChain(chains, chain);
    else if (isObject(rule)) {
      left -= 1;
      if (left >= 0) addRule(chains, rule);
    }
  }
  return { chains: [...chains.values()].map((each) => each.chain), leftOut: Math.max(0, -left) };
}

function addChain(
  chains: Map<string, { chain: FirewallChain; rules: FirewallRule[] }>,
  { family, table, name, hook, policy }: Json,
): void {
  if (typeof family !== 'string' || !Object.hasOwn(FAMILIES, family)) return;
  const rules: FirewallRule[] = [];
  const chain: FirewallChain = {
    ...{ tool: 'nft', family: FAMILIES[family] ?? null, command: ['nft', family] },
    ...{ table: String(table), name: String(name), rules },
    hook: typeof hook === 'string' && HOOKS.includes(hook) ? (hook as FirewallHook) : null,
    policy: policy === 'drop' ? 'drop' : 'accept',
  };
  chains.set(`${family} ${table} ${name}`, { chain, rules });
}

function addRule(
  chains: Map<string, { chain: FirewallChain; rules: FirewallRule[] }>,
  { family, table, chain, handle, expr }: Json,
): void {
  const own = chains.get(`${family} ${table} ${chain}`);
  if (own === undefined || !Array.isArray(expr)) return;
  let condition: RuleCondition = ANY;
  let action: RuleAction = { kind: 'none' };
  for (const statement of expr) {
    if (!isObject(statement)) continue;
    const found = actionOf(statement);
    if (found !== null) action = found;
    else condition = withStatement(condition, statement);
  }
  const where = ['rule', String(family), String(table), String(chain), 'handle', String(handle)];
  own.rules.push({
    text: JSON.stringify(expr),
    condition,
    action,
    removal: ['nft', 'delete', ...where],
  });
}

/** Null for a statement that is a condition, or does nothing to the packet. */
function actionOf(statement: Json): RuleAction | null {
  if ('accept' in statement) return { kind: 'accept' };
  if ('drop' in statement || 'reject' in statement) return { kind: 'drop' };
  if ('return' in statement) return { kind: 'return' };
  for (const kind of ['jump', 'goto'] as const) {
    const to = statement[kind];
    if (isObject(to)) return { kind, chain: String(to['target']) };
  }
  // A verdict by value, a queue, an extension of iptables: what they do is not known.
  if ('vmap' in statement) return vmapAction(statement['vmap']);
  if ('xt' in statement || 'queue' in statement) return { kind: 'unknown' };
  return mssOf(statement['mangle']);
}

/** `ct state vmap { related : accept, … }`: of an ICMP error it is the entry of `related`. */
function vmapAction(vmap: unknown): RuleAction {
  const unknown = { kind: 'unknown' } as const;
  if (!isObject(vmap) || !isObject(vmap['key']) || !isObject(vmap['data'])) return unknown;
  const { key, data } = vmap;
  const ct = isObject(key) ? key['ct'] : null;
  const entries = isObject(data) ? data['set'] : null;
  if (!isObject(ct) || ct['key'] !== 'state' || !Array.isArray(entries)) return unknown;
  for (const entry of entries) {
    if (!Array.isArray(entry) || !isObject(entry[1])) continue;
    if (values(entry[0]).includes('related')) return actionOf(entry[1]) ?? unknown;
  }
  return { kind: 'none' };
}

function mssOf(mangle: unknown): RuleAction | null {
  if (!isObject(mangle) || !isObject(mangle['key'])) return null;
  const option = mangle['key']['tcp option'];
  if (!isObject(option) || option['name'] !== 'maxseg') return null;
  const { value } = mangle;
  return { kind: 'mss', bytes: typeof value === 'number' ? value : null };
}

function withStatement(condition: RuleCondition, statement: Json): RuleCondition {
  const { match } = statement;
  if (!isObject(match)) {
    // A counter and a log entry ask nothing.
    const asksNothing = 'counter' in statement || 'log' in statement || 'comment' in statement;
    return asksNothing ? condition : { ...condition, hasMore: true };
  }
  const { op, left, right } = match;
  const known = op === '==' || op === 'in';
  return (
    (known && isObject(left) ? withMatch(condition, left, values(right)) : null) ?? {
      ...condition,
      hasMore: true,
    }
  );
}

/** Null for a match that is not understood. */
function withMatch(condition: RuleCondition, left: Json, right: string[]): RuleCondition | null {
  const { payload, meta, ct } = left;
  if (isObject(ct) && ct['key'] === 'state') return { ...condition, states: new Set(right) };
  if (isObject(meta)) return withMeta(condition, String(meta['key']), right);
  if (!isObject(payload)) return null;
  const { protocol, field } = payload;
  if ((protocol === 'ip' && field === 'protocol') || (protocol === 'ip6' && field === 'nexthdr')) {
    const family = protocol === 'ip' ? 4 : 6;
    return { ...condition, family, protocols: new Set(right.map(protocolNumber)) };
  }
  if (protocol !== 'icmp' && protocol !== 'icmpv6') return null;
  const isV4 = protocol === 'icmp';
  const of = { ...condition, protocols: new Set([isV4 ? ICMP : ICMPV6]) };
  const number = (value: string, names: Readonly<Record<string, number>>): number =>
    names[value] ?? (/^\d+$/u.test(value) ? Number(value) : ANY_TYPE);
  if (field === 'type') {
    const types = right.map((value) => number(value, isV4 ? TYPES4 : TYPES6));
    return { ...of, icmp: types.map((type) => ({ type, code: null })) };
  }
  if (field !== 'code') return null;
  const codes = right.map((value) => number(value, CODES4));
  const types = condition.icmp ?? [{ type: isV4 ? UNREACHABLE : ANY_TYPE, code: null }];
  return { ...of, icmp: types.flatMap(({ type }) => codes.map((code) => ({ type, code }))) };
}

function withMeta(condition: RuleCondition, key: string, right: string[]): RuleCondition | null {
  const [only = ''] = right;
  if (key === 'l4proto') return { ...condition, protocols: new Set(right.map(protocolNumber)) };
  if (key === 'nfproto') return { ...condition, family: only === 'ipv6' ? 6 : 4 };
  if (right.length !== 1) return null;
  if (key === 'iifname') return { ...condition, incoming: only };
  return key === 'oifname' ? { ...condition, outgoing: only } : null;
}

/** One value, a list or a set of them, as texts. */
function values(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(values);
  if (isObject(value)) return values(value['set'] ?? []);
  return [String(value)];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
