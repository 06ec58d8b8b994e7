import type { PathRecord } from 'hopscope-protocol';
import { explained, isExplainable } from './export/explained-path.js';
import { type HopQuestion, questionsOf } from './export/hop-questions.js';
import { isRuleDrop } from './export/path-record.js';
import { type RouteQuestion, routeQuestionsOf } from './export/route-questions.js';
import type { Path } from './join/path.js';
import type { Names } from './name/names.js';
import { RuleBook } from './rules/rule-book.js';
import { RuleCounters } from './rules/rule-counters.js';
import { parseRules, type RuleSet } from './rules/rule-set.js';
import type { NamespaceRules, RulesNews } from './rules/rule-text.js';
import { MissingCauses } from './source/missing-causes.js';
import type { Epoch } from './wire/clock.js';

/** Rules are understood for so long at a time, ms; the drain of the ring goes on in between. */
const SLICE_MS = 5;
/** News that wait; past it the oldest is left out, and what it said is not known. */
export const NEWS_LIMIT = 10_000;

/** A path, and what is asked of the rules that it met. */
export interface ToExplain {
  readonly record: PathRecord;
  readonly questions: readonly HopQuestion[];
  readonly routes: readonly RouteQuestion[];
}

/** @param hasRules whether rules are read at all */
export function toExplain(
  path: Path,
  record: PathRecord,
  names: Names,
  hasRules: boolean,
): ToExplain {
  if (!hasRules) return { record, questions: [], routes: [] };
  return {
    record,
    questions: questionsOf(path, isRuleDrop(path, names)),
    routes: routeQuestionsOf(path, record.drop?.location ?? null),
  };
}

/** Understands rules as they are read, by and by, and explains paths with them. */
export class RuleReading {
  readonly counters = new RuleCounters();
  readonly book = new RuleBook(this.counters);
  readonly #epoch: Epoch;
  readonly #waiting: RulesNews[] = [];
  readonly #missing = new MissingCauses();
  /** Names of namespaces, by their number. */
  readonly #nameOf: (netns: number) => string;
  #working: Promise<void> | null = null;

  constructor(epoch: Epoch, isFollowed: boolean, nameOf: (netns: number) => string) {
    this.#epoch = epoch;
    this.#nameOf = nameOf;
    this.book.isFollowed = isFollowed;
  }

  /** What of the rules is not known, in words that begin with a code. */
  get missing(): readonly string[] {
    return this.#missing.texts();
  }

  add(news: RulesNews): void {
    if (this.#waiting.length >= NEWS_LIMIT) {
      this.#waiting.shift();
      this.counters.newsSkipped += 1;
    }
    this.#waiting.push(news);
    this.#working ??= this.#work().finally(() => {
      this.#working = null;
    });
  }

  /** Resolves when all that was read is understood. */
  async settled(): Promise<void> {
    await this.#working;
    // Nothing more comes: what is not known by now will not be.
    this.book.isFollowed = false;
  }

  explained({ record, questions, routes }: ToExplain): PathRecord {
    return questions.length === 0 ? record : explained(record, questions, routes, this.book);
  }

  isReady({ questions }: ToExplain): boolean {
    return isExplainable(questions, this.book);
  }

  async #work(): Promise<void> {
    for (let news = this.#waiting.shift(); news !== undefined; news = this.#waiting.shift()) {
      if (news.kind === 'gone') {
        this.book.forget(news.netns);
        this.#missing.withdraw(String(news.netns));
      } else if (news.kind === 'same') this.book.confirm(news.netns, this.#since(news.until));
      else await this.#add(news.rules);
    }
  }

  async #add(rules: NamespaceRules): Promise<void> {
    const { netns, from, until, texts, problems, network } = rules;
    const isNone = texts.length === 0 && problems.length === 0 && network === null;
    const set = isNone ? null : await inSlices(parseRules(rules, this.counters));
    const place = String(netns);
    this.#missing.withdraw(place);
    for (const { code, message } of set?.problems ?? []) {
      this.counters.problems.set(code, (this.counters.problems.get(code) ?? 0) + 1);
      this.#missing.add(`${code}: ${message}`, place, this.#nameOf(netns));
    }
    this.book.add(netns, this.#since(from), this.#since(until), set);
  }

  #since(monotonicNs: string): number {
    return this.#epoch.since(BigInt(monotonicNs));
  }
}

async function inSlices(parsing: Generator<void, RuleSet>): Promise<RuleSet> {
  for (;;) {
    const began = performance.now();
    while (performance.now() - began < SLICE_MS) {
      const step = parsing.next();
      if (step.done === true) return step.value;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
