import type { Grouping, GroupsAnswer } from 'hopscope-protocol';
import { type Collector, CollectorError } from './collector.js';

type Listener = (answer: GroupsAnswer) => void;

interface Wanted {
  readonly by: Grouping;
  readonly filter: string;
  readonly listeners: Set<Listener>;
  answer: GroupsAnswer | null;
  isAsked: boolean;
}

/**
 * Groupings that clients look at, each asked for once for all of them. There are at most as many
 * as CLIENT_LIMIT clients may have.
 */
export class GroupFeed {
  readonly #collector: Collector;
  readonly #wanted = new Map<string, Wanted>();

  constructor(collector: Collector) {
    this.#collector = collector;
  }

  follow(by: Grouping, filter: string, listener: Listener): void {
    const name = nameOf(by, filter);
    let wanted = this.#wanted.get(name);
    if (wanted === undefined) {
      wanted = { by, filter, listeners: new Set(), answer: null, isAsked: false };
      this.#wanted.set(name, wanted);
    }
    wanted.listeners.add(listener);
    if (wanted.answer !== null) listener(wanted.answer);
    else if (!wanted.isAsked) void this.#ask(wanted);
  }

  unfollow(by: Grouping, filter: string, listener: Listener): void {
    const name = nameOf(by, filter);
    const wanted = this.#wanted.get(name);
    wanted?.listeners.delete(listener);
    if (wanted?.listeners.size === 0) this.#wanted.delete(name);
  }

  /** Asks for all of them anew. */
  ask(): void {
    for (const wanted of this.#wanted.values()) if (!wanted.isAsked) void this.#ask(wanted);
  }

  async #ask(wanted: Wanted): Promise<void> {
    wanted.isAsked = true;
    try {
      let isWhole = false;
      while (!isWhole && wanted.listeners.size > 0) {
        const part = await this.#collector.groups(wanted.by, wanted.filter);
        ({ isWhole } = part);
        if (isWhole) wanted.answer = part.groups;
      }
      const { answer } = wanted;
      if (answer !== null) for (const listener of wanted.listeners) listener(answer);
    } catch (error) {
      // A collector that is busy is asked again at the next tick.
      if (!(error instanceof CollectorError)) throw error;
    } finally {
      wanted.isAsked = false;
    }
  }
}

function nameOf(by: Grouping, filter: string): string {
  return `${by} ${filter}`;
}
