/** Rules of nftables as steps. */
import type { Choice, Nat, PortRange, Step, Test, Verdict } from './model.js';
import { isObject, type Json } from './nft-json.js';
import { Elements, keyOf, valuesOf } from './nft-set.js';
import { equals, expressionOf, literalOf } from './nft-value.js';
import { maskedEquals, negated, unknown } from './truth.js';

/** The elements of a named set or map; null for one that was not read, or that packets add to. */
export type NamedSets = (name: string) => readonly unknown[] | null;

const ALL = 0xffffffff;
/** Statements that change nothing that rules ask for. */
const NOTES = [
  'counter',
  'log',
  'set',
  'map',
  'flow',
  'ct helper',
  'ct timeout',
  'meter',
  'dup',
  'add',
  'update',
];
const MATCHES_OF_RATE = ['limit', 'quota', 'ct count', 'last'];

export function stepsOf(statements: readonly unknown[], sets: NamedSets): Step[] {
  return statements.flatMap((statement): Step[] => {
    if (!isObject(statement)) return [{ kind: 'unknown', what: 'a statement' }];
    const [name = ''] = Object.keys(statement);
    const verdict = verdictOf(statement);
    if (verdict !== null) return [{ kind: 'verdict', verdict }];
    const value = statement[name];
    if (name === 'match' && isObject(value)) {
      return [{ kind: 'match', test: testOf(value, sets), what: JSON.stringify(value['left']) }];
    }
    if (name === 'vmap' && isObject(value)) return [vmapOf(value, sets)];
    if (name === 'mangle' && isObject(value)) return [mangleOf(value)];
    if (name === 'notrack') return [{ kind: 'note', what: 'notrack' }];
    if (name === 'dnat' || name === 'snat' || name === 'masquerade' || name === 'redirect') {
      return [natOf(name, isObject(value) ? value : {}, sets)];
    }
    if (NOTES.includes(name)) return [{ kind: 'note', what: name }];
    if (MATCHES_OF_RATE.includes(name)) return [{ kind: 'match', test: unknown, what: name }];
    return [{ kind: 'unknown', what: name }];
  });
}

function verdictOf(statement: Json): Verdict | null {
  if ('accept' in statement) return { kind: 'accept' };
  if ('drop' in statement) return { kind: 'drop', reject: null };
  if ('return' in statement) return { kind: 'return' };
  if ('reject' in statement) {
    const how = statement['reject'];
    const { type, expr } = isObject(how) ? how : {};
    return { kind: 'drop', reject: [type ?? 'icmp', expr].filter(Boolean).join(' ') };
  }
  for (const kind of ['jump', 'goto'] as const) {
    const to = statement[kind];
    if (isObject(to)) return { kind, chain: String(to['target']) };
  }
  return null;
}

function testOf({ op, left, right }: Json, sets: NamedSets): Test {
  const isNegated = op === '!=';
  const masked = markTest(op, left, right);
  if (masked !== null) return masked;
  const key = keyOf(left);
  if (key === null) return unknown;
  const list = listOf(right, sets);
  if (list !== null) {
    let elements: Elements | null = null;
    const among: Test = (packet, around, walk) => {
      elements ??= new Elements(list, key, false);
      const found = elements.find(valuesOf(key, packet, around, walk));
      return found === null ? null : found !== false;
    };
    return guarded(negated(among, isNegated), key, isNegated);
  }
  const expression = expressionOf(left);
  const literal = expression === null ? null : literalOf(right, expression.kind);
  if (expression === null || literal === null) return unknown;
  const { read } = expression;
  if (op === '==' || op === 'in' || isNegated) {
    return (packet, around, walk) => {
      const value = read(packet, around, walk);
      if (value === false) return false;
      const truth = equals(value, literal);
      return isNegated && truth !== null ? !truth : truth;
    };
  }
  return 'value' in literal && typeof literal.value !== 'string'
    ? orderTest(String(op), read, literal.value)
    : unknown;
}

/** What there is not is neither among the elements nor outside: the rule does not match. */
function guarded(test: Test, key: NonNullable<ReturnType<typeof keyOf>>, isNegated: boolean): Test {
  if (!isNegated) return test;
  return (packet, around, walk) =>
    valuesOf(key, packet, around, walk).includes(false) ? false : test(packet, around, walk);
}

function orderTest(
  op: string,
  read: NonNullable<ReturnType<typeof expressionOf>>['read'],
  limit: number | bigint,
): Test {
  return (packet, around, walk) => {
    const value = read(packet, around, walk);
    if (value === null) return null;
    if (typeof value !== 'number' && typeof value !== 'bigint') return false;
    switch (op) {
      case '<':
        return value < limit;
      case '>':
        return value > limit;
      case '<=':
        return value <= limit;
      case '>=':
        return value >= limit;
      default:
        return null;
    }
  };
}

/** `meta mark & 0x4000 != 0`, and the mark alone: of which some bits may be known. */
function markTest(op: unknown, left: unknown, right: unknown): Test | null {
  if (typeof right !== 'number' || (op !== '==' && op !== '!=' && op !== 'in')) return null;
  const and = isObject(left) && Array.isArray(left['&']) ? left['&'] : null;
  const [subject, mask] = and ?? [left, ALL];
  const which = markOf(subject);
  if (which === null || typeof mask !== 'number') return null;
  return negated(
    (_packet, _around, walk) =>
      which === 'mark'
        ? maskedEquals(walk.mark, walk.markUnknown, mask, right)
        : maskedEquals(walk.ctMark, walk.ctMarkUnknown, mask, right),
    op === '!=',
  );
}

function markOf(json: unknown): 'mark' | 'ctmark' | null {
  if (!isObject(json)) return null;
  const { meta, ct } = json;
  if (isObject(meta) && meta['key'] === 'mark') return 'mark';
  return isObject(ct) && ct['key'] === 'mark' ? 'ctmark' : null;
}

/** Null for what is no set. */
function listOf(right: unknown, sets: NamedSets): readonly unknown[] | null {
  if (typeof right === 'string' && right.startsWith('@')) return sets(right.slice(1)) ?? [null];
  if (Array.isArray(right)) return right;
  return isObject(right) && Array.isArray(right['set']) ? right['set'] : null;
}

function isChance(key: unknown): boolean {
  return isObject(key) && ('numgen' in key || 'jhash' in key || 'symhash' in key);
}

function vmapOf({ key, data }: Json, sets: NamedSets): Step {
  return mapStep(key, data, sets, 'a verdict map', (to) => {
    const verdict = isObject(to) ? verdictOf(to) : null;
    return verdict === null ? null : { kind: 'verdict', verdict };
  });
}

/** A step that a map chooses. */
function mapStep(
  key: unknown,
  data: unknown,
  sets: NamedSets,
  what: string,
  step: (data: unknown) => Step | null,
): Step {
  const list = listOf(data, sets);
  const wrong: Step = { kind: 'unknown', what };
  if (list === null || list.includes(null)) return wrong;
  if (isChance(key)) {
    const choices = list.map((entry): Choice => {
      const to = Array.isArray(entry) ? (entry as unknown[])[1] : null;
      return { step: step(to) ?? wrong, comment: null };
    });
    return { kind: 'choose', choices: () => choices, what };
  }
  const parts = keyOf(key);
  if (parts === null) return wrong;
  let elements: Elements | null = null;
  return {
    kind: 'choose',
    what,
    choices: (packet, around, walk) => {
      elements ??= new Elements(list, parts, true);
      const found = elements.find(valuesOf(parts, packet, around, walk));
      if (found === null) return null;
      return found === false ? [] : [{ step: step(found.data) ?? wrong, comment: found.comment }];
    },
  };
}

/** What becomes of a mark: `(mark & keep) ^ flip`. */
function mangleOf({ key, value }: Json): Step {
  const kind = markOf(key);
  if (kind === null) return { kind: 'note', what: 'mangle' };
  const other = kind === 'mark' ? 'ctmark' : 'mark';
  const from = markOf(value);
  if (from === other) {
    return { kind: kind === 'mark' ? 'restore' : 'save', mask: ALL, toMask: ALL };
  }
  const change = changeOf(value, kind);
  return { kind, keep: change?.keep ?? 0, flip: change?.flip ?? null };
}

function changeOf(value: unknown, own: 'mark' | 'ctmark'): { keep: number; flip: number } | null {
  if (typeof value === 'number') return { keep: 0, flip: value };
  if (markOf(value) === own) return { keep: ALL, flip: 0 };
  if (!isObject(value)) return null;
  for (const op of ['|', '&', '^']) {
    const operands = value[op];
    if (!Array.isArray(operands)) continue;
    const [left, right] = operands as unknown[];
    const inner = changeOf(left, own);
    if (inner === null || typeof right !== 'number') return null;
    const { keep, flip } = inner;
    if (op === '|') return { keep: (keep & ~right) >>> 0, flip: ((flip & ~right) | right) >>> 0 };
    if (op === '&') return { keep: (keep & right) >>> 0, flip: (flip & right) >>> 0 };
    return { keep, flip: (flip ^ right) >>> 0 };
  }
  return null;
}

function natOf(kind: Nat['kind'], { addr, port }: Json, sets: NamedSets): Step {
  const ports = portsOf(port);
  const wrong: Step = { kind: 'unknown', what: kind };
  if (port !== undefined && ports === null) return wrong;
  if (addr === undefined) return { kind: 'nat', nat: { kind, addresses: null, ports } };
  const map = isObject(addr) ? addr['map'] : null;
  if (isObject(map)) {
    return mapStep(map['key'], map['data'], sets, kind, (to) => natTo(kind, to, ports));
  }
  return natTo(kind, addr, ports) ?? wrong;
}

/** To an address, a range of them, or an address with a port. */
function natTo(kind: Nat['kind'], to: unknown, ports: PortRange | null): Step | null {
  const parts = isObject(to) && Array.isArray(to['concat']) ? (to['concat'] as unknown[]) : [to];
  const [address, port] = parts;
  const literal = literalOf(address, 'address');
  const own = port === undefined ? ports : portsOf(port);
  if (literal === null || (port !== undefined && own === null)) return null;
  if (!('value' in literal)) return { kind: 'nat', nat: { kind, addresses: literal, ports: own } };
  const { value } = literal;
  if (typeof value === 'string') return null;
  return { kind: 'nat', nat: { kind, addresses: { first: value, last: value }, ports: own } };
}

function portsOf(json: unknown): PortRange | null {
  if (typeof json === 'number') return { first: json, last: json };
  const range = isObject(json) ? json['range'] : null;
  if (!Array.isArray(range)) return null;
  const [first, last] = range as unknown[];
  return typeof first === 'number' && typeof last === 'number' ? { first, last } : null;
}
