import { ClassicBpf } from '../../../src/filter/classic-bpf.js';
import { PacketFilter } from '../../../src/filter/packet-filter.js';
import type { JoinCounters } from '../../../src/join/join-counters.js';
import { Pipeline } from '../../../src/pipeline.js';
import { CLUSTER } from '../../fixtures/catalog.js';
import { noSource } from '../../fixtures/no-source.mjs';
import { TIME } from '../batches.js';
import type { Random } from '../random.js';
import { flowFault, pathFault } from '../record-fault.js';
import type { Era, Target } from '../target.js';

/** Accepts IPv4 that is not fragmented, to send the filter through every packet. */
const PROGRAM = [
  { code: 0x28, jt: 0, jf: 0, k: 6 },
  { code: 0x45, jt: 0, jf: 1, k: 0x1fff },
  { code: 0x06, jt: 0, jf: 0, k: 0 },
  { code: 0x06, jt: 0, jf: 0, k: 1 },
];

/** Kept small, so that eviction is part of the campaign. */
export const FLOW_LIMIT = 200;
const TICK_NS = 3_000_000n;
/** One path in so many is looked at as a record, and so often the flows are. */
const PATHS_ONE_IN = 8;
const FLOWS_EVERY = 100;

/** Records all the way to paths and flows, with what the source says between them. */
export const PIPELINE_TARGET: Target = {
  name: 'pipeline',
  kind: 'bytes',
  longest: 2048,
  era: 1000,
  lanes: 1,
  leastGood: 0.3,
  begin: () => new PipelineEra(),
};

class PipelineEra implements Era {
  good = 0;
  #failure: unknown = null;
  #paths = 0;
  #cursor = 0;
  #run = 0;
  #now = TIME;
  readonly #pipeline: Pipeline;

  constructor() {
    const pipeline = new Pipeline(noSource(5_000_000_000n, CLUSTER), {
      filter: new PacketFilter('', () => new ClassicBpf(PROGRAM).instructions),
      flowLimit: FLOW_LIMIT,
      onFailure: (error) => {
        this.#failure ??= error;
      },
      onPath: (finished) => {
        if (this.#paths++ % PATHS_ONE_IN !== 0) return;
        const record = JSON.stringify(pipeline.pathRecord(finished));
        const fault = pathFault(record);
        if (fault !== null) this.#failure ??= new Error(fault);
      },
    });
    this.#pipeline = pipeline;
  }

  check(input: Uint8Array, random: Random): void {
    const pipeline = this.#pipeline;
    const before = pipeline.joiner.counters.hops;
    // Times march on, so that packets settle and flows age.
    if (random.below(3) === 0) this.#now += TICK_NS * BigInt(random.below(100));
    if (random.below(40) === 0) this.#change(random);
    pipeline.batch(input, input.length);
    // Now and then a clock that has gone wrong, whose time nothing later reaches.
    pipeline.tick(random.below(2000) === 0 ? 2n ** 64n - 1n : this.#now);
    if (pipeline.joiner.counters.hops > before) this.good += 1;
    this.#run += 1;
    if (this.#run % FLOWS_EVERY === 0) this.#look();
    if (this.#failure !== null) throw this.#failure;
  }

  /** What is seen changes. */
  #change(random: Random): void {
    const at = this.#now + BigInt(random.below(1e7)) - 5_000_000n;
    const detail = random.pick(['all', 'edges'] as const);
    if (random.below(3) === 0) this.#pipeline.detail(at, detail);
    else this.#pipeline.window(at, random.pick(['all', 'new-flows', 'drops'] as const), detail);
  }

  #look(): void {
    const { flows } = this.#pipeline;
    for (const flow of flows.changedSince(this.#cursor)) {
      const record = JSON.stringify(this.#pipeline.flowRecord(flow));
      const fault = flowFault(record);
      if (fault !== null) throw new Error(fault);
    }
    this.#cursor = flows.version;
    const { malformed, flows: size } = this.#pipeline.quality();
    if (size > FLOW_LIMIT) throw new Error(`${size} flows`);
    if (Object.values(malformed).some((count) => !/^\d+$/.test(count))) throw new Error('counts');
  }

  end(): void {
    this.#pipeline.end();
    if (this.#failure !== null) throw this.#failure;
    const { joiner } = this.#pipeline;
    const known = hopsKnown(joiner.counters);
    if (joiner.counters.hops !== known) {
      throw new Error(`${joiner.counters.hops} hops went in, and ${known} came out`);
    }
    if (joiner.openPaths !== 0) throw new Error(`${joiner.openPaths} paths are left open`);
  }
}

/** Every hop that went in is in one path or in one counter. */
export function hopsKnown(counters: JoinCounters): number {
  return (
    counters.hopsFinished +
    counters.hopsFiltered +
    counters.hopsCut +
    counters.hopsReleased +
    counters.hopsMalformed +
    counters.hopsUndone +
    counters.hopsRepeated +
    counters.hopsRefused -
    counters.hopsRead
  );
}
