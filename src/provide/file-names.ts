import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { UsageError } from '../model/errors.js';
import { NAMES_FILE_BYTES, type NamesFile, parseNamesFile } from '../name/names-file.js';
import type { FoundNamespace } from '../source/namespace-watcher.js';
import type { NameFacts, NameProvider } from './name-provider.js';

/** Names that somebody wrote into a file, for what nothing else knows or to call it otherwise. */
export class FileNames implements NameProvider {
  readonly name = 'file';
  readonly #path: string;
  #stamp: string;
  #file: NamesFile;
  #fault: string | null = null;
  #watcher: FSWatcher | null = null;

  /** @throws UsageError `NAMES_FILE_UNREADABLE`, `NAMES_FILE_INVALID` */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#stamp = stampOf(path);
      this.#file = parseNamesFile(readFileSync(path, 'utf8'));
    } catch (error) {
      const isSystem = error instanceof Error && 'errno' in error;
      const why = error instanceof Error ? error.message : String(error);
      throw new UsageError(
        isSystem ? 'NAMES_FILE_UNREADABLE' : 'NAMES_FILE_INVALID',
        `the names file ${path} cannot be used: ${why}`,
      );
    }
  }

  get missing(): readonly string[] {
    return this.#fault === null ? [] : [this.#fault];
  }

  get isStale(): boolean {
    return this.#fault !== null;
  }

  watch(onNews: () => void): void {
    const file = basename(this.#path);
    try {
      // The folder: whoever writes a file anew has another one of the same name in its place.
      this.#watcher = watch(dirname(this.#path), { persistent: false }, (_, name) => {
        if (name === null || name === file) onNews();
      });
      this.#watcher.on('error', () => this.close());
    } catch {
      // Without it a change is found when names are read the next time.
    }
  }

  async read(found: readonly FoundNamespace[]): Promise<NameFacts> {
    await this.#readAgain();
    const { namespaces, endpoints, services } = this.#file;
    const wanted = new Map(namespaces.map((each) => [each.netns, each]));
    return {
      namespaces: found.flatMap(({ netns, name, inode }) => {
        const known = (name === null ? undefined : wanted.get(name)) ?? wanted.get(inode);
        return known === undefined ? [] : [{ ...known, netns }];
      }),
      endpoints: endpoints.map((each) => ({ ...each, written: true as const })),
      services: services.map((each) => ({ ...each, written: true as const })),
      chains: [],
    };
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  /** A file with a fault leaves what the last good one said. */
  async #readAgain(): Promise<void> {
    try {
      const stamp = stampOf(this.#path);
      if (stamp === this.#stamp) return;
      this.#file = parseNamesFile(await readFile(this.#path, 'utf8'));
      this.#stamp = stamp;
      this.#fault = null;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#fault = `newer names of the file ${this.#path}: ${why}`;
    }
  }
}

function stampOf(path: string): string {
  const { ino, size, mtimeNs } = statSync(path, { bigint: true });
  if (size > NAMES_FILE_BYTES) throw new RangeError(`it is larger than ${NAMES_FILE_BYTES} bytes`);
  return `${ino}:${size}:${mtimeNs}`;
}
