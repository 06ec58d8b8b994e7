import { type FSWatcher, statSync, watch } from 'node:fs';

/** Where ip-netns(8) keeps namespaces by their names. */
export const NETNS_DIRECTORY = '/run/netns';
/** `ip netns add` makes the file first and then mounts the namespace on it. */
const MOUNT_POLL_MS = 2;
const MOUNT_LIMIT_MS = 1_000;
/** Names that are waited for at once; more are found by the next look at all of them. */
const WAITING_LIMIT = 1_024;

/**
 * Whether a path is a network namespace: anything else would be entered in vain.
 * Namespaces are files of one file system, nsfs.
 */
export function isNamespaceFile(path: string): boolean {
  try {
    return statSync(path).dev === statSync('/proc/self/ns/net').dev;
  } catch {
    return false;
  }
}

/**
 * Says at once when a name of a namespace comes or goes (inotify), so that nobody has to
 * wait for the next look.
 */
export class NetnsDirectory {
  readonly #onChange: () => void;
  readonly #waiting = new Map<string, number>();
  #watcher: FSWatcher | null = null;
  #poll: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Begins, or begins again where the directory was not there before. Cheap to repeat. */
  watch(): void {
    if (this.#watcher !== null || this.#closed) return;
    try {
      const watcher = watch(NETNS_DIRECTORY, { persistent: false }, (kind, name) => {
        if (kind === 'rename') this.#changed(name);
      });
      // The directory went; the next call looks for another.
      watcher.on('error', () => this.#drop());
      this.#watcher = watcher;
    } catch {
      // It comes with the first name.
    }
  }

  close(): void {
    this.#closed = true;
    this.#drop();
    if (this.#poll !== null) clearTimeout(this.#poll);
    this.#waiting.clear();
  }

  #drop(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  #changed(name: string | null): void {
    const path = `${NETNS_DIRECTORY}/${name}`;
    const there = name !== null && statSync(path, { throwIfNoEntry: false }) !== undefined;
    if (!there) {
      if (name !== null) this.#waiting.delete(name);
      this.#onChange();
    } else if (isNamespaceFile(path)) {
      this.#onChange();
    } else if (this.#waiting.size < WAITING_LIMIT) {
      this.#waiting.set(name, performance.now() + MOUNT_LIMIT_MS);
      this.#poll ??= setTimeout(() => this.#lookAgain(), MOUNT_POLL_MS);
    }
  }

  #lookAgain(): void {
    this.#poll = null;
    const now = performance.now();
    let changed = false;
    for (const [name, until] of this.#waiting) {
      const mounted = isNamespaceFile(`${NETNS_DIRECTORY}/${name}`);
      changed ||= mounted;
      if (mounted || now > until) this.#waiting.delete(name);
    }
    if (this.#waiting.size > 0) {
      this.#poll = setTimeout(() => this.#lookAgain(), MOUNT_POLL_MS);
    }
    if (changed) this.#onChange();
  }
}
