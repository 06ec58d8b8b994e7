import { SCAN_MEMORY } from './limits.js';

/** Looks at all flows that go on from one question to the next, by what was asked. */
export class Scans<T> {
  readonly #scans = new Map<string, T>();

  of(name: string, begin: () => T): T {
    const scan = this.#scans.get(name) ?? begin();
    // The one that was asked for last is at the end.
    this.#scans.delete(name);
    this.#scans.set(name, scan);
    for (const old of this.#scans.keys()) {
      if (this.#scans.size <= SCAN_MEMORY) break;
      this.#scans.delete(old);
    }
    return scan;
  }
}
