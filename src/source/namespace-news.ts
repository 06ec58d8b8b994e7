import { dirname, join } from 'node:path';
import { type BpfMap, BpfObject, type Link } from 'ebpf-ts';
import { netnsKey } from './namespace-number.js';

const FIRST = new Uint8Array(4);
const KNOWN = Uint8Array.of(1);
const PROGRAMS = ['news_of_program', 'news_of_process'] as const;

/** As it is compiled, in the folder of the tracer's object. */
export function newsObjectBeside(objectFile: string): string {
  return join(dirname(objectFile), 'namespace-news.bpf.o');
}

/**
 * Has the kernel say when a process is in a network namespace that is not known, by
 * bpf/namespace-news.bpf.c.
 */
export class NamespaceNews {
  readonly #object: BpfObject;
  readonly #links: readonly Link[];
  readonly #known: BpfMap;
  readonly #news: BpfMap;
  #entries = new Set<number>();
  #count = 0n;

  private constructor(object: BpfObject) {
    this.#object = object;
    this.#known = object.map('known');
    this.#news = object.map('news');
    this.#links = PROGRAMS.map((name) => object.program(name).attachBtf());
  }

  /**
   * @param objectFile dist/bpf/namespace-news.bpf.o
   * @throws BpfError where the kernel does not take it
   */
  static async open(objectFile: string): Promise<NamespaceNews> {
    const object = BpfObject.open(objectFile);
    try {
      await object.loadAsync();
      return new NamespaceNews(object);
    } catch (error) {
      object.close();
      throw error;
    }
  }

  /** These are known from now on, by their numbers, and no others. */
  know(namespaces: ReadonlyMap<number, unknown>): void {
    for (const netns of this.#entries) {
      if (!namespaces.has(netns)) this.#known.delete(netnsKey(netns));
    }
    for (const netns of namespaces.keys()) {
      if (!this.#entries.has(netns)) this.#known.put(netnsKey(netns), KNOWN);
    }
    this.#entries = new Set(namespaces.keys());
  }

  /** Whether there was one since the last call. */
  isAny(): boolean {
    const bytes = this.#news.get(FIRST) ?? new Uint8Array(8);
    const count = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    const isAny = count !== this.#count;
    this.#count = count;
    return isAny;
  }

  close(): void {
    for (const link of this.#links) link.close();
    this.#object.close();
  }
}
