import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import { Pipeline } from '../../src/pipeline.js';
import type { Collected } from '../../src/serve/collected.js';
import type { Source } from '../../src/source/source.js';
import { TAPE_START, Tape } from '../fixtures/tape.js';
import { datagram } from './short-flow.js';

const SOURCE: Source = {
  epochNs: TAPE_START,
  catalog: EMPTY_CATALOG,
  missing: [],
  lost: () => 0n,
  losses: () => ({}),
  own: () => 0n,
  symbol: () => null,
  start: () => Promise.resolve(),
  stop: () => Promise.resolve(),
};

/** A pipeline that a test gives packets to. */
export class LoadedCollector {
  readonly pipeline = new Pipeline(SOURCE);
  readonly #tape = new Tape();
  #timer: NodeJS.Timeout | null = null;
  /** Packets given so far. */
  packets = 0;

  get collected(): Collected {
    const { pipeline } = this;
    return {
      feed: pipeline,
      flows: pipeline.flows,
      epochNs: pipeline.epoch.monotonicNs,
      names: pipeline.names,
      catalog: () => pipeline.names.catalog,
      cluster: pipeline.names.cluster,
    };
  }

  /** A packet of each of these flows, in this order, all the way. */
  change(sports: Iterable<number>): void {
    const tape = this.#tape;
    for (const sport of sports) {
      datagram(tape, sport);
      this.packets += 1;
    }
    const batch = tape.batch();
    tape.clear();
    this.pipeline.batch(batch, batch.length);
    // Far enough for all of them to be over.
    tape.wait(100e6);
    this.pipeline.tick(TAPE_START + BigInt(tape.now));
  }

  /** Goes on giving packets, so many each ten milliseconds, of so many flows in turn. */
  load(packets: number, flows: number): void {
    let at = 0;
    this.#timer = setInterval(() => {
      this.change(Array.from({ length: packets }, () => 1000 + (at++ % flows)));
    }, 10);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
