import type { RulesNews } from '../rules/rule-text.js';
import { inTurn } from './in-turn.js';
import type { FoundNamespace } from './namespace-watcher.js';
import {
  type ReadRules,
  type RulesFingerprint,
  readRules,
  rulesFingerprint,
} from './rules-reader.js';

/** Between two looks at whether anything has changed, ms. */
const LOOK_MS = 250;
/** What changes without a sign is read again after so long. */
const SILENT_MS = 1_000;
/** A look, or a reading, is followed by a pause of so many times its length. */
const REST = 20;
const READING_REST = 50;
/** Times that rules are read which change meanwhile. */
const ATTEMPTS = 3;

interface Known {
  readonly fingerprint: RulesFingerprint;
  readonly read: ReadRules;
  /** When it is to be read again although nothing says that it has changed, ms. */
  readonly due: number;
}

/** Reads the rules of namespaces, and again when they have changed. Only reads. */
export class RulesFollower {
  readonly #namespaces: () => Iterable<FoundNamespace>;
  readonly #onNews: (news: RulesNews) => void;
  readonly #onWarning: (message: string) => void;
  readonly #known = new Map<number, Known>();
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  #stopped = false;

  constructor(
    namespaces: () => Iterable<FoundNamespace>,
    onNews: (news: RulesNews) => void,
    onWarning: (message: string) => void,
  ) {
    this.#namespaces = namespaces;
    this.#onNews = onNews;
    this.#onWarning = onWarning;
  }

  /** Resolves when all have been read once. */
  async start(): Promise<void> {
    await this.#look();
    this.#plan(LOOK_MS);
  }

  /** Looks at once, so that it is known up to now. */
  async look(): Promise<void> {
    await this.#looking;
    await this.#look(true);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.look();
  }

  #plan(ms: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      const began = Date.now();
      this.#looking = this.#look().finally(() => {
        this.#looking = null;
        this.#plan(Math.max(LOOK_MS, REST * (Date.now() - began)));
      });
    }, ms);
    this.#timer.unref();
  }

  async #look(isUrgent = false): Promise<void> {
    const namespaces = [...this.#namespaces()];
    const there = new Set(namespaces.map(({ netns }) => netns));
    for (const netns of this.#known.keys()) {
      if (there.has(netns)) continue;
      this.#known.delete(netns);
      this.#onNews({ kind: 'gone', netns });
    }
    try {
      await inTurn(namespaces, (namespace) => this.#lookAt(namespace, isUrgent));
    } catch (error) {
      this.#onWarning(`reading rules: ${String(error)}`);
    }
  }

  async #lookAt(namespace: FoundNamespace, isUrgent: boolean): Promise<void> {
    const { netns, path } = namespace;
    const until = String(process.hrtime.bigint());
    const fingerprint = await rulesFingerprint(path);
    if (fingerprint === null) return;
    const known = this.#known.get(netns);
    const isDue = known?.read.isSilent === true && (isUrgent || Date.now() >= known.due);
    if (known !== undefined && known.fingerprint.all === fingerprint.all && !isDue) {
      // The legacy back end, ipset and IPVS have no generation: only reading them shows a change.
      if (!known.read.isSilent) this.#onNews({ kind: 'same', netns, until });
      return;
    }
    await this.#read(namespace, fingerprint, known ?? null);
  }

  async #read(
    namespace: FoundNamespace,
    before: RulesFingerprint,
    known: Known | null,
  ): Promise<void> {
    const { netns, path } = namespace;
    const began = Date.now();
    let fingerprint = before;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      // What has a generation is read again where that is another one, and not for a route.
      const same = known?.fingerprint.tables === fingerprint.tables ? known.read : null;
      const read = await readRules(namespace, process.hrtime.bigint, same);
      const after = await rulesFingerprint(path);
      if (read === null || after === null) return;
      const isWhole = after.all === fingerprint.all;
      fingerprint = after;
      if (!isWhole && attempt < ATTEMPTS) continue;
      const ended = Date.now();
      // The next time what has a generation is not read.
      const cost = same === null && read.steady.size > 0 ? 0 : ended - began;
      const due = ended + Math.max(SILENT_MS, READING_REST * cost);
      this.#known.set(netns, { fingerprint, read, due });
      this.#pass(read, known?.read.hash ?? null, isWhole);
      return;
    }
  }

  #pass({ rules, hash }: ReadRules, before: string | null, isWhole: boolean): void {
    if (hash === before && isWhole) {
      this.#onNews({ kind: 'same', netns: rules.netns, until: rules.until });
      return;
    }
    // What changed while it was read may be half of each: it was in force at no time that is known.
    const from = isWhole ? rules.from : rules.until;
    this.#onNews({ kind: 'read', rules: { ...rules, from } });
  }
}
