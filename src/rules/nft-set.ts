/** Sets and maps of nftables, named ones and those in a rule. */
import type { Truth, WalkState } from './model.js';
import { isObject } from './nft-json.js';
import {
  type Expression,
  equals,
  expressionOf,
  type Literal,
  literalOf,
  type Value,
} from './nft-value.js';
import type { Packet, Surroundings } from './packet.js';

/** One element: what it is found by, what it leads to, and its comment. */
export interface Element {
  readonly keys: readonly Literal[] | null;
  readonly data: unknown;
  readonly comment: string | null;
}

/** The parts of a concatenation, or the one expression. Null where one is not known. */
export function keyOf(json: unknown): readonly Expression[] | null {
  const parts = isObject(json) && Array.isArray(json['concat']) ? json['concat'] : [json];
  const expressions = parts.map(expressionOf);
  return expressions.some((each) => each === null) ? null : (expressions as Expression[]);
}

/** Elements, ready to be found; made of what the list has of them when the first packet comes by. */
export class Elements {
  readonly #exact = new Map<string, Element>();
  readonly #others: Element[] = [];

  /** @param list of elements; of a map of pairs of key and data */
  constructor(list: readonly unknown[], kinds: readonly Expression[], isMap: boolean) {
    for (const entry of list) {
      const [key, data] = isMap && Array.isArray(entry) ? (entry as unknown[]) : [entry, null];
      const { value, comment } = unwrapped(key);
      const parts = isObject(value) && Array.isArray(value['concat']) ? value['concat'] : [value];
      const literals = parts.map((part, i) => literalOf(part, kinds[i]?.kind ?? 'name'));
      const keys = literals.includes(null) ? null : (literals as Literal[]);
      const element = { keys, data, comment };
      const exact = keys === null ? null : exactKey(keys);
      if (exact === null) this.#others.push(element);
      else this.#exact.set(exact, element);
    }
  }

  /** Null: not known. False: there is none. */
  find(values: readonly Value[]): Element | null | false {
    if (values.includes(false)) return false;
    if (values.some((value) => value === null || Array.isArray(value))) return this.#partly(values);
    const found = this.#exact.get(values.join(' '));
    if (found !== undefined) return found;
    let isUnknown = false;
    for (const element of this.#others) {
      const truth = element.keys === null ? null : fits(element.keys, values);
      if (truth === true) return element;
      if (truth === null) isUnknown = true;
    }
    return isUnknown ? null : false;
  }

  /** Where a part is not known: no element if none fits what is known. */
  #partly(values: readonly Value[]): Element | null | false {
    let isUnknown = false;
    for (const element of [...this.#exact.values(), ...this.#others]) {
      const truth = element.keys === null ? null : fits(element.keys, values);
      if (truth === true) return element;
      if (truth === null) isUnknown = true;
    }
    return isUnknown ? null : false;
  }
}

function unwrapped(key: unknown): { value: unknown; comment: string | null } {
  if (!isObject(key) || !isObject(key['elem'])) return { value: key, comment: null };
  const { val, comment } = key['elem'];
  return { value: val, comment: typeof comment === 'string' ? comment : null };
}

function exactKey(keys: readonly Literal[]): string | null {
  const texts: unknown[] = [];
  for (const key of keys) {
    if (!('value' in key) || (typeof key.value === 'string' && key.value.endsWith('*')))
      return null;
    texts.push(key.value);
  }
  return texts.join(' ');
}

function fits(keys: readonly Literal[], values: readonly Value[]): Truth {
  let result: Truth = true;
  for (const [i, key] of keys.entries()) {
    const truth = equals(values[i] ?? null, key);
    if (truth === false) return false;
    if (truth === null) result = null;
  }
  return result;
}

export function valuesOf(
  key: readonly Expression[],
  packet: Packet,
  around: Surroundings,
  walk: WalkState,
): Value[] {
  return key.map(({ read }) => read(packet, around, walk));
}
