import { type BigIntStats, readdirSync, readlinkSync, statSync } from 'node:fs';
import { BpfError } from 'ebpf-ts';
import { type NamespaceNumber, readNamespace } from './namespace-number.js';
import { NETNS_DIRECTORY } from './netns-directory.js';

/** Looking at every process again, not only at new ones, once in so many rounds. */
const FULL_SCAN_ROUNDS = 20;

/** A network namespace that something keeps alive. */
export interface FoundNamespace extends NamespaceNumber {
  /** Under /run/netns; null when it has no name there. */
  readonly name: string | null;
  /** A path that setns(2) takes. */
  readonly path: string;
}

/** A namespace that this process may not enter. */
export interface RefusedNamespace {
  readonly path: string;
  /** Of the error: `EPERM` or `EACCES`. */
  readonly code: string;
}

/** A name as it was found, and the namespace that was then read from it. */
interface NamedFile extends NamespaceNumber {
  /** When the file came into being: another namespace at the path has another one. */
  readonly changed: bigint;
}

/**
 * Finds the machine's network namespaces: the named ones and those of processes.
 * Call `scan` again and again; a round looks only at processes that are new, and reads which
 * namespace it is only where a name or process has another than before.
 */
export class NamespaceWatcher {
  readonly #own = NamespaceWatcher.own();
  #named = new Map<string, NamedFile>();
  readonly #processes = new Map<string, NamespaceNumber>();
  /** The device number of nsfs, which every namespace is a file of. */
  readonly #fileSystem = statSync('/proc/self/ns/net', { bigint: true }).dev;
  #round = 0;
  #found = new Set<number>();
  #refused = new Map<number, RefusedNamespace>();

  /** The namespace this process is in. */
  static own(): NamespaceNumber {
    return readNamespace('/proc/self/ns/net');
  }

  /** Namespaces that the last scan was not let into, by inode. */
  get refused(): ReadonlyMap<number, RefusedNamespace> {
    return this.#refused;
  }

  /**
   * Those there are now, by their numbers.
   *
   * @param full looks at every process again: one that was there may have another namespace
   */
  scan(full = false): Map<number, FoundNamespace> {
    this.#refused = new Map();
    this.#scanNames();
    const isFull = full || this.#round % FULL_SCAN_ROUNDS === 0;
    this.#round += 1;
    this.#scanProcesses(isFull);
    let found = this.#collect();
    // Another process may have gone where the only one known of ended.
    if (!isFull && [...this.#found].some((netns) => !found.has(netns))) {
      this.#scanProcesses(true);
      found = this.#collect();
    }
    this.#found = new Set(found.keys());
    return found;
  }

  #collect(): Map<number, FoundNamespace> {
    const found = new Map<number, FoundNamespace>();
    for (const [name, { netns, inode, owner }] of this.#named) {
      found.set(netns, { netns, inode, owner, name, path: `${NETNS_DIRECTORY}/${name}` });
    }
    for (const [pid, { netns, inode, owner }] of this.#processes) {
      if (!found.has(netns)) {
        found.set(netns, { netns, inode, owner, name: null, path: `/proc/${pid}/ns/net` });
      }
    }
    return found;
  }

  #scanNames(): void {
    const before = this.#named;
    this.#named = new Map();
    for (const name of namedNamespaces()) {
      const path = `${NETNS_DIRECTORY}/${name}`;
      const file = statOf(path);
      // A file that no namespace is mounted on, yet or any more, is none.
      if (file?.dev !== this.#fileSystem) continue;
      const known = before.get(name);
      if (known?.inode === Number(file.ino) && known.changed === file.ctimeNs) {
        this.#named.set(name, known);
        continue;
      }
      const read = this.#read(path, Number(file.ino));
      if (read !== null) this.#named.set(name, { ...read, changed: file.ctimeNs });
    }
  }

  #scanProcesses(full: boolean): void {
    // Alive just now, by inode: what is in them needs no look.
    const alive = new Map<number, NamespaceNumber>();
    for (const each of [...this.#named.values(), this.#own]) alive.set(each.inode, each);
    const running = new Set<string>();
    for (const pid of readdirSync('/proc')) {
      if (!/^\d/u.test(pid)) {
        continue;
      }
      const known = this.#processes.get(pid);
      if (!full && known !== undefined) {
        running.add(pid);
        continue;
      }
      const inode = inodeOf(pid);
      if (inode === null) continue;
      const namespace =
        alive.get(inode) ??
        (known?.inode === inode ? known : this.#read(`/proc/${pid}/ns/net`, inode));
      if (namespace === null) continue;
      // What one process is in, the next one of this round may be in too.
      alive.set(inode, namespace);
      this.#processes.set(pid, namespace);
      running.add(pid);
    }
    for (const pid of this.#processes.keys()) {
      if (!running.has(pid)) {
        this.#processes.delete(pid);
      }
    }
  }

  /** Null for one that has gone, or that this process is not let into. */
  #read(path: string, inode: number): NamespaceNumber | null {
    if (this.#refused.has(inode)) return null;
    try {
      return readNamespace(path);
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      if (error.code === 'EPERM' || error.code === 'EACCES') {
        this.#refused.set(inode, { path, code: error.code });
      }
      return null;
    }
  }
}

function namedNamespaces(): string[] {
  try {
    return readdirSync(NETNS_DIRECTORY);
  } catch {
    return [];
  }
}

/** Null for one that went between the listing and the look: it is as good as never there. */
function statOf(path: string): BigIntStats | null {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return null;
  }
}

/** Inode of a process's namespace; null for a kernel thread or process that ended. */
function inodeOf(pid: string): number | null {
  try {
    const inode = /^net:\[(\d+)\]$/u.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1];
    return inode === undefined ? null : Number(inode);
  } catch {
    return null;
  }
}
