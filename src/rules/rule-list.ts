import type { Address } from './address.js';
import type { Rule, RuleList } from './model.js';

/** Chains of so many rules have an index by destination. */
export const INDEX_FROM = 32;

/**
 * Rules that are understood when a packet first comes by: most of a large rule set are met by none.
 * A chain of many rules finds by its destination those that may take a packet.
 */
export class LazyRules implements RuleList {
  readonly length: number;
  readonly #texts: readonly string[];
  readonly #compile: (text: string, position: number) => Rule;
  readonly #rules: (Rule | undefined)[] = [];
  readonly #byDestination: ReadonlyMap<Address, readonly number[]> | null;
  readonly #others: readonly number[];

  /** @param destinations the one destination that each rule takes, null for more; none without an index */
  constructor(
    texts: readonly string[],
    compile: (text: string, position: number) => Rule,
    destinations: readonly (Address | null)[],
  ) {
    this.length = texts.length;
    this.#texts = texts;
    this.#compile = compile;
    if (destinations.length < texts.length || texts.length < INDEX_FROM) {
      this.#byDestination = null;
      this.#others = [];
      return;
    }
    const byDestination = new Map<Address, number[]>();
    const others: number[] = [];
    for (const [index, destination] of destinations.entries()) {
      const list = destination === null ? others : byDestination.get(destination);
      if (list !== undefined) list.push(index);
      else if (destination !== null) byDestination.set(destination, [index]);
    }
    this.#byDestination = byDestination;
    this.#others = others;
  }

  at(index: number): Rule {
    this.#rules[index] ??= this.#compile(this.#texts[index] ?? '', index + 1);
    return this.#rules[index];
  }

  next(from: number, destination: Address): number {
    if (this.#byDestination === null) return from;
    const own = this.#byDestination.get(destination);
    return Math.min(
      atLeast(own ?? [], from, this.length),
      atLeast(this.#others, from, this.length),
    );
  }
}

/** The first of ascending numbers that is `from` or more. */
function atLeast(sorted: readonly number[], from: number, none: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < from) low = middle + 1;
    else high = middle;
  }
  return sorted[low] ?? none;
}
