import { dirname, join } from 'node:path';
import { BpfObject, type Link } from 'ebpf-ts';
import { NamespaceMap } from './namespace-map.js';

const FIRST = new Uint8Array(4);
/** Of the map `known`. */
const KNOWN_LIMIT = 65_536;
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
  readonly #links: Link[] = [];
  readonly #known = new NamespaceMap(KNOWN_LIMIT);
  #count = 0n;

  private constructor(object: BpfObject) {
    this.#object = object;
  }

  /**
   * @param objectFile dist/bpf/namespace-news.bpf.o
   * @throws BpfError where the kernel does not take it
   */
  static async open(objectFile: string): Promise<NamespaceNews> {
    const object = BpfObject.open(objectFile);
    const news = new NamespaceNews(object);
    try {
      await object.loadAsync();
      for (const name of PROGRAMS) news.#links.push(object.program(name).attachBtf());
      return news;
    } catch (error) {
      news.close();
      throw error;
    }
  }

  /** These are known from now on, by their numbers, and no others. */
  know(namespaces: ReadonlyMap<number, unknown>): void {
    this.#known.hold(this.#object.map('known'), namespaces);
  }

  /** Whether there was one since the last call. */
  isAny(): boolean {
    const bytes = this.#object.map('news').get(FIRST) ?? new Uint8Array(8);
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
