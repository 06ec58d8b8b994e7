import type { BpfMap } from 'ebpf-ts';

const THERE = Uint8Array.of(1);

/** A set of namespaces in a BPF map, by their numbers (`netns_number`) as keys. */
export class NamespaceMap {
  readonly #limit: number;
  #entries = new Set<number>();

  /** @param limit of the map; what comes past it is left out */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The map is a new one, with nothing in it. */
  forget(): void {
    this.#entries.clear();
  }

  /** Makes the map hold these and no others. */
  hold(map: BpfMap, namespaces: ReadonlyMap<number, unknown>): void {
    for (const netns of this.#entries) {
      if (namespaces.has(netns)) continue;
      map.delete(keyOf(netns));
      this.#entries.delete(netns);
    }
    for (const netns of namespaces.keys()) {
      if (this.#entries.size >= this.#limit) return;
      if (this.#entries.has(netns)) continue;
      map.put(keyOf(netns), THERE);
      this.#entries.add(netns);
    }
  }
}

function keyOf(netns: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(netns).buffer);
}
