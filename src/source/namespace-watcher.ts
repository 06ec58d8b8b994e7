import { readdirSync, readlinkSync, statSync } from 'node:fs';

export const NETNS_DIRECTORY = '/run/netns';
/** Looking at every process again, not only at new ones, once in so many rounds. */
const FULL_SCAN_ROUNDS = 20;

/** A network namespace that something keeps alive. */
export interface FoundNamespace {
  readonly inode: number;
  /** Under /run/netns; null when it has no name there. */
  readonly name: string | null;
  /** A path that setns(2) takes. */
  readonly path: string;
}

/**
 * Finds the machine's network namespaces: the named ones and those of processes.
 * Call `scan` again and again; a round looks only at processes that are new.
 */
export class NamespaceWatcher {
  readonly #processes = new Map<string, number>();
  /** The device number of nsfs, which every namespace is a file of. */
  readonly #fileSystem = statSync('/proc/self/ns/net').dev;
  #round = 0;

  /** Inode of the namespace this process is in. */
  static own(): number {
    return inodeOfLink(readlinkSync('/proc/self/ns/net')) ?? 0;
  }

  scan(): Map<number, FoundNamespace> {
    const found = new Map<number, FoundNamespace>();
    for (const name of namedNamespaces()) {
      const path = `${NETNS_DIRECTORY}/${name}`;
      try {
        const { ino: inode, dev } = statSync(path);
        // A file that no namespace is mounted on, yet or any more, is none.
        if (dev === this.#fileSystem) found.set(inode, { inode, name, path });
      } catch {
        // It went between the listing and the look: as good as never there.
      }
    }
    this.#scanProcesses();
    for (const [pid, inode] of this.#processes) {
      if (!found.has(inode)) {
        found.set(inode, { inode, name: null, path: `/proc/${pid}/ns/net` });
      }
    }
    return found;
  }

  #scanProcesses(): void {
    const full = this.#round % FULL_SCAN_ROUNDS === 0;
    this.#round += 1;
    const alive = new Set<string>();
    for (const pid of readdirSync('/proc')) {
      if (!/^\d/u.test(pid)) {
        continue;
      }
      if (!full && this.#processes.has(pid)) {
        alive.add(pid);
        continue;
      }
      try {
        const inode = inodeOfLink(readlinkSync(`/proc/${pid}/ns/net`));
        if (inode !== null) {
          this.#processes.set(pid, inode);
          alive.add(pid);
        }
      } catch {
        // A kernel thread that ended, or a process that did.
      }
    }
    for (const pid of this.#processes.keys()) {
      if (!alive.has(pid)) {
        this.#processes.delete(pid);
      }
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

/** `net:[4026531840]` to its number. */
function inodeOfLink(link: string): number | null {
  const inode = /^net:\[(\d+)\]$/u.exec(link)?.[1];
  return inode === undefined ? null : Number(inode);
}
