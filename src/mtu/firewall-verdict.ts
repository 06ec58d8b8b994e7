import {
  type FirewallChain,
  type FirewallHook,
  type FirewallRule,
  ICMP,
  ICMPV6,
  type RuleCondition,
} from '../network/firewall.js';
import { FAMILIES, type Family } from '../network/ip-address.js';
import type { Namespace } from '../network/machine.js';

/** Chains that one look passes, for those of nft may lead in circles. */
const DEPTH_LIMIT = 32;

/** Fragmentation needed (RFC 792) and packet too big (RFC 4443). */
const ERROR: Readonly<Record<Family, { protocol: number; type: number; code: number }>> = {
  4: { protocol: ICMP, type: 3, code: 4 },
  6: { protocol: ICMPV6, type: 2, code: 0 },
};

/** What drops the errors that path MTU discovery needs: a rule, or the policy of a chain. */
export interface ErrorDrop {
  readonly chain: FirewallChain;
  readonly hook: FirewallHook;
  readonly family: Family;
  /** Null for the policy. */
  readonly rule: FirewallRule | null;
}

/**
 * What is certain to drop an ICMP error of a connection that is known, or names such errors
 * itself. A rule that also asks for addresses, sets or marks may drop some of them: that is not said.
 */
export function errorDrops(chains: readonly FirewallChain[], family: Family): ErrorDrop[] {
  const targets = new Map<string, FirewallChain>();
  for (const chain of chains) {
    const key = targetKey(chain, chain.name);
    if (!targets.has(key)) targets.set(key, chain);
  }
  return chains.flatMap((chain): ErrorDrop[] => {
    const { hook, policy } = chain;
    if (hook === null || (chain.family !== null && chain.family !== family)) return [];
    const verdict = judge(targets, chain, family, 0);
    if (typeof verdict === 'object') {
      return [{ chain: verdict.chain, hook, family, rule: verdict.rule }];
    }
    return verdict === 'through' && policy === 'drop' ? [{ chain, hook, family, rule: null }] : [];
  });
}

/** Of the hooks that packets of the namespace pass, each rule once. */
export function dropsOf(namespace: Namespace): ErrorDrop[] {
  const { firewall, forwards } = namespace.description;
  const seen = new Set<unknown>();
  return FAMILIES.flatMap((family) => errorDrops(firewall, family)).filter((drop) => {
    const { hook, family, chain, rule } = drop;
    if (hook === 'forward' && !forwards[family]) return false;
    if (!namespace.description.addresses.some(({ address }) => address.family === family)) {
      return false;
    }
    const key = rule ?? chain;
    return !seen.has(key) && seen.add(key) !== undefined;
  });
}

/** `through`: no rule decides; `perhaps`: one may. */
type Verdict =
  | 'accept'
  | 'through'
  | 'perhaps'
  | { readonly chain: FirewallChain; readonly rule: FirewallRule };

function judge(
  targets: ReadonlyMap<string, FirewallChain>,
  chain: FirewallChain,
  family: Family,
  depth: number,
): Verdict {
  if (depth > DEPTH_LIMIT) return 'perhaps';
  let isSure = true;
  for (const rule of chain.rules) {
    const { condition, action } = rule;
    const matches = matchOf(condition, family);
    if (matches === 'no') continue;
    const isCertain = matches === 'yes' && isSure;
    switch (action.kind) {
      case 'drop':
        if (isCertain || namesError(condition)) return { chain, rule };
        if (matches === 'yes') return 'perhaps';
        break;
      case 'accept':
        if (matches === 'yes') return isSure ? 'accept' : 'perhaps';
        isSure = false;
        break;
      case 'return':
        if (matches === 'yes') return isSure ? 'through' : 'perhaps';
        isSure = false;
        break;
      case 'unknown':
        isSure = false;
        break;
      case 'jump':
      case 'goto': {
        const target = targets.get(targetKey(chain, action.chain));
        // A target that is no chain is an extension: it marks, logs, or the like.
        if (target === undefined) break;
        const inner = judge(targets, target, family, depth + 1);
        if (typeof inner === 'object') {
          if (isCertain || namesError(inner.rule.condition)) return inner;
          isSure = false;
        } else if (inner === 'accept' && matches === 'yes') {
          return isSure ? 'accept' : 'perhaps';
        } else if (inner !== 'through') {
          isSure = false;
        }
        if (action.kind === 'goto' && matches === 'yes') return isSure ? 'through' : 'perhaps';
        if (action.kind === 'goto') isSure = false;
        break;
      }
      default:
    }
  }
  return isSure ? 'through' : 'perhaps';
}

/** What a chain is jumped to by from another one of its table. */
function targetKey({ command, table }: FirewallChain, name: string): string {
  return `${command.join(' ')}\n${table}\n${name}`;
}

function matchOf(condition: RuleCondition, family: Family): 'yes' | 'no' | 'perhaps' {
  const { protocol, type, code } = ERROR[family];
  const { protocols, icmp, states, incoming, outgoing } = condition;
  if (condition.family !== null && condition.family !== family) return 'no';
  if (protocols !== null && !protocols.has(protocol)) return 'no';
  if (states !== null && !states.has('related')) return 'no';
  if (incoming === 'lo' || outgoing === 'lo') return 'no';
  if (icmp !== null) {
    const isNamed = icmp.some(
      (each) => each.type === type && (each.code === null || each.code === code),
    );
    if (!isNamed) return 'no';
  }
  return condition.hasMore || incoming !== null || outgoing !== null ? 'perhaps' : 'yes';
}

/** Whether a rule is about these errors, or about all of ICMP, whatever it asks besides. */
function namesError({ protocols, icmp, hasMore }: RuleCondition): boolean {
  if (icmp !== null) return true;
  const [only, ...others] = protocols ?? [];
  return (only === ICMP || only === ICMPV6) && others.length === 0 && !hasMore;
}
