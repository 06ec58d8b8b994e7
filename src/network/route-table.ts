import type { NextHop, Route, Rule } from './description.js';
import { ADDRESS_BITS, contains, type IpAddress } from './ip-address.js';
import { MAIN_TABLE } from './route.js';

/** RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT: where there are no rules. */
const TABLES = [255, MAIN_TABLE, 253] as const;
/** Rules that one look-up passes, for those with `goto` may name each other. */
const RULES_LIMIT = 1_024;

/** What a route is looked up by. */
export interface RouteKey {
  readonly dst: IpAddress;
  readonly src: IpAddress | null;
  readonly mark: number;
  /** Name of the device it came in by; `lo` for what this namespace sends itself. */
  readonly incoming: string;
  /** Device that it has to take. */
  readonly outgoing: number | null;
}

export interface FoundRoute {
  readonly route: Route;
  /** null where the route leads nowhere. */
  readonly hop: NextHop | null;
  /** False where a rule was passed over that looks at more than is known. */
  readonly isCertain: boolean;
}

/** What a look-up came to. */
export interface Decision {
  /** The rule of routing that led there; null where there are none. */
  readonly rule: Rule | null;
  /** Null where the rule refuses, or no rule leads to a route. */
  readonly route: Route | null;
  /** False where a rule was passed over that looks at more than is known. */
  readonly isCertain: boolean;
}

type ByValue = Map<bigint, Route[]>;

/** The routes of a namespace, looked up as the kernel does: rules first, then the longest prefix. */
export class RouteTable {
  readonly #rules: readonly Rule[];
  readonly #tables = new Map<string, Map<number, ByValue>>();
  readonly #lengths = new Map<string, readonly number[]>();

  constructor(routes: readonly Route[], rules: readonly Rule[]) {
    this.#rules = rules;
    for (const route of routes) this.#add(route);
    for (const [key, table] of this.#tables) {
      this.#lengths.set(
        key,
        [...table.keys()].sort((a, b) => b - a),
      );
    }
  }

  #add(route: Route): void {
    const { family, value, length } = route.dst;
    const key = `${family}/${route.table}`;
    const table = this.#tables.get(key) ?? new Map<number, ByValue>();
    this.#tables.set(key, table);
    const byValue = table.get(length) ?? new Map<bigint, Route[]>();
    table.set(length, byValue);
    const prefix = value >> BigInt(ADDRESS_BITS[family] - length);
    const list = byValue.get(prefix);
    if (list === undefined) byValue.set(prefix, [route]);
    else {
      list.push(route);
      list.sort((a, b) => a.priority - b.priority);
    }
  }

  /** Null where no rule leads to a route. */
  find(key: RouteKey, outgoingName: string | null = null): FoundRoute | null {
    const { route, isCertain } = this.decide(key, outgoingName);
    return route === null ? null : found(route, key, isCertain);
  }

  decide(key: RouteKey, outgoingName: string | null = null): Decision {
    const { family } = key.dst;
    const rules = this.#rules.filter((rule) => rule.family === family);
    if (rules.length === 0) {
      for (const table of TABLES) {
        const route = this.#longest(table, key, null);
        if (route !== null) return { rule: null, route, isCertain: true };
      }
      return { rule: null, route: null, isCertain: true };
    }
    let isCertain = true;
    let passed = 0;
    for (let i = 0; i < rules.length && passed < RULES_LIMIT; i++, passed++) {
      const rule = rules[i] as Rule;
      if (rule.isSelective) isCertain = false;
      if (rule.isSelective || rule.isVrf || matches(rule, key, outgoingName) === rule.isInverted)
        continue;
      if (rule.action === 'refuse') return { rule, route: null, isCertain };
      if (rule.action === 'goto') {
        const target = rules.findIndex(({ priority }) => priority === rule.target);
        if (target > i) i = target - 1;
      } else if (rule.action === 'table') {
        const route = this.#longest(rule.table, key, rule.suppressedLength);
        if (route !== null && route.type !== 'throw') return { rule, route, isCertain };
      }
    }
    return { rule: null, route: null, isCertain };
  }

  #longest(table: number, { dst, outgoing }: RouteKey, suppressed: number | null): Route | null {
    const key = `${dst.family}/${table}`;
    const byLength = this.#tables.get(key);
    for (const length of this.#lengths.get(key) ?? []) {
      if (suppressed !== null && length <= suppressed) return null;
      const candidates = byLength
        ?.get(length)
        ?.get(dst.value >> BigInt(ADDRESS_BITS[dst.family] - length));
      const route = candidates?.find(
        ({ hops }) => outgoing === null || hops.some(({ ifindex }) => ifindex === outgoing),
      );
      if (route !== undefined) return route;
    }
    return null;
  }
}

function found(route: Route, { outgoing }: RouteKey, isCertain: boolean): FoundRoute {
  const hop = route.hops.find(({ ifindex }) => outgoing === null || ifindex === outgoing) ?? null;
  return { route, hop, isCertain };
}

function matches(rule: Rule, key: RouteKey, outgoingName: string | null): boolean {
  return (
    (rule.dst === null || contains(rule.dst, key.dst)) &&
    (rule.src === null || (key.src !== null && contains(rule.src, key.src))) &&
    (rule.incoming === null || rule.incoming === key.incoming) &&
    (rule.outgoing === null || rule.outgoing === outgoingName) &&
    ((key.mark ^ rule.mark) & rule.mask) === 0
  );
}
