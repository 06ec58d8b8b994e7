import { Session } from 'node:inspector';
import { keepInput } from './corpus.js';

/** Runs between looks at what was reached: a look costs milliseconds. */
const LOOK_EVERY = 2_000;

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

/** One script of those that V8 counts in. */
interface Script {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}

interface Ran {
  readonly input: Uint8Array;
  readonly state: number;
}

/**
 * Keeps inputs that reach blocks of code that no input before them did, so that later ones
 * are made from them. What V8 counts (Profiler.takePreciseCoverage) is looked at after many
 * runs; where there is news, those runs are made again, half by half, to find which it was.
 */
export class Guide {
  /** Blocks reached so far, and inputs kept. */
  blocks = 0;
  kept = 0;
  readonly #session = new Session();
  readonly #target: string;
  readonly #again: (ran: Ran) => void | Promise<void>;
  readonly #reached = new Set<string>();
  #ran: Ran[] = [];

  /** @param again runs an input once more */
  constructor(target: string, again: (ran: Ran) => void | Promise<void>) {
    this.#target = target;
    this.#again = again;
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** @param grow takes what the corpus grows by */
  async after(input: Uint8Array, state: number, grow: (input: Uint8Array) => void): Promise<void> {
    this.#ran.push({ input, state });
    if (this.#ran.length < LOOK_EVERY) return;
    const ran = this.#ran;
    this.#ran = [];
    const news = this.#take().filter((block) => !this.#reached.has(block));
    if (news.length === 0) return;
    await this.#find(ran, grow);
    // What is reached by no input of its own, but by how they follow each other.
    for (const block of news) this.#reached.add(block);
    this.blocks = this.#reached.size;
  }

  /** Of these runs, those that reach something new. */
  async #find(ran: readonly Ran[], grow: (input: Uint8Array) => void): Promise<void> {
    this.#take();
    for (const one of ran) await this.#again(one);
    const news = this.#take().filter((block) => !this.#reached.has(block));
    if (news.length === 0) return;
    const [only] = ran;
    if (ran.length === 1 && only !== undefined) {
      for (const block of news) this.#reached.add(block);
      keepInput(this.#target, 'found', only.input, only.state);
      this.kept += 1;
      grow(only.input);
      return;
    }
    const half = ran.length >> 1;
    await this.#find(ran.slice(0, half), grow);
    await this.#find(ran.slice(half), grow);
  }

  close(): void {
    this.#session.disconnect();
  }

  /** Blocks reached since it was last asked. */
  #take(): string[] {
    const { result } = this.#post('Profiler.takePreciseCoverage') as {
      readonly result: readonly Script[];
    };
    return result
      .filter(({ url }) => url.startsWith('file:') && !url.includes('/node_modules/'))
      .flatMap(({ url, functions }) =>
        functions.flatMap(({ ranges }) =>
          ranges
            .filter(({ count }) => count > 0)
            .map(({ startOffset, endOffset }) => `${url.length}:${startOffset}-${endOffset}`),
        ),
      );
  }

  #post(method: string, params: object = {}): unknown {
    let answer: unknown;
    // Of the thread it is in, a session answers before it returns.
    this.#session.post(method, params, (error, result) => {
      if (error !== null) throw error;
      answer = result;
    });
    return answer;
  }
}
