import { heartbeat } from '../heartbeat.js';
import { MissingCauses } from './missing-causes.js';
import { withinBudget } from './namespace-budget.js';
import { NamespaceNews } from './namespace-news.js';
import type { FoundNamespace } from './namespace-watcher.js';
import { NetnsDirectory } from './netns-directory.js';
import { ObservedNamespaces, sameNamespaces } from './observed-namespaces.js';

/** Beats from one look at namespaces, their hooks and the kernel's modules to the next. */
const LOOK_BEATS = 4;
/** Namespaces that were looked for because a packet was met in them. */
const MET_LIMIT = 1_024;

export interface NamespaceFollowerOptions {
  /** Names of the namespaces to observe; null for all. */
  readonly wanted: readonly string[] | null;
  /** dist/bpf/namespace-news.bpf.o */
  readonly newsFile: string;
  /**
   * Called with each look after `start`.
   *
   * @param changed whether one came, went or has another name since the look before
   */
  readonly onLook: (found: ReadonlyMap<number, FoundNamespace>, changed: boolean) => void;
  readonly onWarning: (message: string) => void;
}

/**
 * Knows which namespaces there are: looks again and again, at once when a name under
 * /run/netns comes or goes or a packet is met in one that is not known, and within a beat when
 * the kernel says that a process is in one.
 */
export class NamespaceFollower {
  readonly #options: NamespaceFollowerOptions;
  readonly #observed: ObservedNamespaces;
  readonly #directory = new NetnsDirectory(() => this.#lookSoon());
  #found: ReadonlyMap<number, FoundNamespace> = new Map();
  readonly #missing = new MissingCauses();
  #missed: readonly number[] = [];
  #news: NamespaceNews | null = null;
  #stopLooking: () => void = () => undefined;
  #stopAsking: () => void = () => undefined;
  readonly #met = new Set<number>();
  #soon: NodeJS.Immediate | null = null;
  #isFullSoon = false;
  #isFollowing = false;
  #isStopped = false;

  constructor(options: NamespaceFollowerOptions) {
    this.#options = options;
    this.#observed = new ObservedNamespaces(options.wanted);
  }

  /** Those of the newest look, by their numbers. */
  get found(): ReadonlyMap<number, FoundNamespace> {
    return this.#found;
  }

  /** What is not seen, one entry a cause. */
  get missing(): readonly string[] {
    return this.#missing.texts();
  }

  /**
   * The first look. What comes between it and `start` is found by the next one.
   *
   * @throws UsageError `NETNS_NOT_FOUND`
   */
  look(): void {
    this.#scan();
    this.#observed.requireNamed(this.#found);
    this.#directory.watch();
  }

  /** Goes on looking. */
  start(): void {
    this.#isFollowing = true;
    this.#stopLooking = heartbeat.every(LOOK_BEATS, () => this.#look());
  }

  /** Has the kernel say when one is not known; without that it is found by one of the next looks. */
  async askKernel(): Promise<void> {
    // Those that are wanted have names, which the directory shows.
    if (this.#options.wanted !== null) return;
    try {
      const news = await NamespaceNews.open(this.#options.newsFile);
      if (this.#isStopped) return news.close();
      this.#news = news;
      news.know(this.#found);
      this.#stopAsking = heartbeat.every(1, () => {
        if (news.isAny()) this.#look(true);
      });
    } catch (error) {
      this.#options.onWarning(`new namespaces are found late: ${String(error)}`);
    }
  }

  /** A packet was met in a namespace. */
  met(netns: number): void {
    if (this.#options.wanted !== null || this.#found.has(netns) || this.#met.has(netns)) return;
    if (this.#met.size >= MET_LIMIT) this.#met.clear();
    // Once: it may have gone, or be one that may not be entered.
    this.#met.add(netns);
    this.#lookSoon(true);
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopLooking();
    this.#stopAsking();
    if (this.#soon !== null) clearImmediate(this.#soon);
    this.#directory.close();
    this.#news?.close();
    this.#news = null;
  }

  #scan(full = false): void {
    const found = this.#observed.scan(full);
    this.#news?.know(found);
    const { watched, refused } = withinBudget(found);
    this.#found = watched;
    // By inode, and the path of each.
    const causes = new Map<number, readonly [cause: string, path: string]>();
    for (const [inode, { path, code }] of this.#observed.refused) {
      const cause = `namespaces that may not be entered (${code}: CAP_SYS_ADMIN is needed)`;
      causes.set(inode, [cause, path]);
    }
    for (const [why, namespaces] of refused) {
      for (const { inode, path } of namespaces) causes.set(inode, [`hooks of ${why}`, path]);
    }
    for (const inode of this.#missed) {
      if (!causes.has(inode)) this.#missing.withdraw(String(inode));
    }
    for (const [inode, [cause, path]] of causes) this.#missing.replace(cause, String(inode), path);
    this.#missed = [...causes.keys()];
  }

  /** A name came or went: what comes with it, or before, is looked at once. */
  #lookSoon(full = false): void {
    this.#isFullSoon ||= full;
    this.#soon ??= setImmediate(() => {
      const isFull = this.#isFullSoon;
      this.#soon = null;
      this.#isFullSoon = false;
      this.#look(isFull);
    });
  }

  /** @param full at every process again, not only at new ones */
  #look(full = false): void {
    if (!this.#isFollowing || this.#isStopped) return;
    try {
      this.#directory.watch();
      const before = this.#found;
      this.#scan(full);
      this.#options.onLook(this.#found, !sameNamespaces(before, this.#found));
    } catch (error) {
      this.#options.onWarning(`looking for namespaces: ${String(error)}`);
    }
  }
}
