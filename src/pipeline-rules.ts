import type { PathRecord } from 'hopscope-protocol';
import { explained, isExplainable } from './export/explained-path.js';
import type { HopQuestion } from './export/hop-questions.js';
import { RuleBook } from './rules/rule-book.js';
import { parseRules, type RuleSet } from './rules/rule-set.js';
import type { NamespaceRules, RulesNews } from './rules/rule-text.js';
import type { Epoch } from './wire/clock.js';

/** Rules are understood for so long at a time, ms; the drain of the ring goes on in between. */
const SLICE_MS = 5;
/** News that wait; past it the oldest is left out, and what it said is not known. */
export const NEWS_LIMIT = 10_000;

/** A path, and what is asked of the rules that it met. */
export interface ToExplain {
  readonly record: PathRecord;
  readonly questions: readonly HopQuestion[];
}

/** Understands rules as they are read, by and by, and explains paths with them. */
export class RuleReading {
  readonly book = new RuleBook();
  readonly #epoch: Epoch;
  readonly #waiting: RulesNews[] = [];
  #working: Promise<void> | null = null;
  /** News left out. */
  skipped = 0;
  /** Problems of what was read, by code. */
  readonly problems = new Map<string, number>();

  constructor(epoch: Epoch, isFollowed: boolean) {
    this.#epoch = epoch;
    this.book.isFollowed = isFollowed;
  }

  add(news: RulesNews): void {
    if (this.#waiting.length >= NEWS_LIMIT) {
      this.#waiting.shift();
      this.skipped += 1;
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

  explained(record: PathRecord, questions: readonly HopQuestion[]): PathRecord {
    return questions.length === 0 ? record : explained(record, questions, this.book);
  }

  isReady({ questions }: ToExplain): boolean {
    return isExplainable(questions, this.book);
  }

  async #work(): Promise<void> {
    for (let news = this.#waiting.shift(); news !== undefined; news = this.#waiting.shift()) {
      if (news.kind === 'gone') this.book.forget(news.netns);
      else if (news.kind === 'same') this.book.confirm(news.netns, this.#since(news.until));
      else await this.#add(news.rules);
    }
  }

  async #add(rules: NamespaceRules): Promise<void> {
    const { netns, from, until, texts } = rules;
    const set = texts.length === 0 ? null : await inSlices(parseRules(rules));
    for (const { code } of set?.problems ?? []) {
      this.problems.set(code, (this.problems.get(code) ?? 0) + 1);
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
