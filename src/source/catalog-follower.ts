import { type Catalog, EMPTY_CATALOG } from '../name/catalog.js';
import type { NameChange } from '../name/cluster-names.js';
import type { CatalogReader } from './catalog-reader.js';
import type { FoundNamespace } from './namespace-watcher.js';
import { pauseAfter, READING_REST } from './pause.js';

/**
 * Names are asked for again: soon after a change, which goes on for a while, then seldom.
 * Not at once: what came or went is at work itself just then. Without a change seldom from the
 * start: each namespace is asked for its rules.
 */
const SOON_MS = 50;
const FIRST_MS = 500;
const MOST_MS = READING_REST.least;

/** Keeps the names of what is on the machine up to date. */
export class CatalogFollower {
  readonly #reader: CatalogReader;
  readonly #namespaces: () => Iterable<FoundNamespace>;
  readonly #onNews: (catalog: Catalog) => void;
  readonly #onChange: (change: NameChange) => void;
  readonly #onWarning: (message: string) => void;
  #catalog: Catalog = EMPTY_CATALOG;
  #due = 0;
  #wait = MOST_MS;
  #timer: NodeJS.Timeout | null = null;
  #reading = false;
  #stopped = false;

  constructor(
    reader: CatalogReader,
    namespaces: () => Iterable<FoundNamespace>,
    onNews: (catalog: Catalog) => void,
    onChange: (change: NameChange) => void,
    onWarning: (message: string) => void,
  ) {
    this.#reader = reader;
    this.#namespaces = namespaces;
    this.#onNews = onNews;
    this.#onChange = onChange;
    this.#onWarning = onWarning;
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  /** What names are not to be had, in words. */
  get missing(): readonly string[] {
    return this.#reader.missing;
  }

  /** Seconds since what each provider says was certain; null while it never was. */
  ages(): Readonly<Record<string, number | null>> {
    return this.#reader.ages();
  }

  /** The first time; errors go to the caller. */
  async start(): Promise<void> {
    this.#reader.watch(
      () => this.#lookSoon(),
      (change) => {
        if (!this.#stopped) this.#onChange(change);
      },
    );
    this.#catalog = await this.#reader.read(this.#namespaces());
    this.#onNews(this.#catalog);
    this.#due = Date.now() + this.#wait;
  }

  /**
   * Namespaces came, went, or have other names. These are passed on at once: one that lives
   * shortly may have gone when the rest has been read.
   */
  changed(): void {
    this.#pass({ ...this.#catalog, namespaces: this.#reader.named(this.#namespaces()) });
    this.#lookSoon();
  }

  /** Somebody knows a new name. */
  #lookSoon(): void {
    if (this.#stopped) return;
    this.#wait = FIRST_MS / 2;
    this.#due = Date.now() + SOON_MS;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#due = 0;
      this.look();
    }, SOON_MS);
  }

  /** Reads again when that is due. */
  look(): void {
    const now = Date.now();
    if (this.#stopped || this.#reading || this.#due > now) return;
    this.#wait = Math.min(2 * this.#wait, MOST_MS);
    this.#due = now + this.#wait;
    this.#reading = true;
    void this.#read().finally(() => {
      this.#reading = false;
      // Unless a change came meanwhile.
      if (this.#wait < MOST_MS) return;
      const ended = Date.now();
      this.#due = Math.max(this.#due, ended + pauseAfter(ended - now, READING_REST));
    });
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#reader.close();
  }

  #pass(catalog: Catalog): void {
    if (this.#stopped || !isNews(this.#catalog, catalog)) return;
    this.#catalog = catalog;
    this.#onNews(catalog);
  }

  async #read(): Promise<void> {
    try {
      const catalog = await this.#reader.read(this.#namespaces());
      this.#pass(catalog);
    } catch (error) {
      this.#onWarning(`looking for names: ${String(error)}`);
    }
  }
}

/** Whether a catalog says anything new; the clocks drift apart by themselves. */
function isNews(before: Catalog, after: Catalog): boolean {
  const comparable = (c: Catalog): string => JSON.stringify({ ...c, clockOffsetNs: '' });
  return comparable(before) !== comparable(after);
}
