import { expect, it } from 'vitest';
import { ClassicBpf } from '../../src/filter/classic-bpf.js';
import { PacketFilter } from '../../src/filter/packet-filter.js';
import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import { Pipeline } from '../../src/pipeline.js';
import { noSource } from '../fixtures/no-source.mjs';
import { BATCHES, TIME } from './batches.js';
import { campaign } from './campaign.js';

/** Accepts IPv4 that is not fragmented, to send the filter through every packet. */
const PROGRAM = [
  { code: 0x28, jt: 0, jf: 0, k: 6 },
  { code: 0x45, jt: 0, jf: 1, k: 0x1fff },
  { code: 0x06, jt: 0, jf: 0, k: 0 },
  { code: 0x06, jt: 0, jf: 0, k: 1 },
];

/** Kept small, so that eviction is part of the campaign. */
const FLOW_LIMIT = 200;
const TICK_NS = 3_000_000n;

// Runs build on those before: to see a failure again, set the seed and not the run.
it('joins whatever comes, and writes only records that are JSON', async () => {
  expect(new ClassicBpf(PROGRAM).length).toBe(4);
  let paths = 0;
  let text = 0;
  let failure: unknown = null;
  const pipeline: Pipeline = new Pipeline(noSource(5_000_000_000n, EMPTY_CATALOG), {
    filter: new PacketFilter('', () => PROGRAM),
    flowLimit: FLOW_LIMIT,
    onFailure: (error) => {
      failure ??= error;
    },
    onPath: (finished) => {
      paths++;
      text += JSON.stringify(pipeline.pathRecord(finished)).length;
    },
  });
  let now = TIME;
  let cursor = 0;
  let run = 0;
  await campaign('pipeline', BATCHES, (input, random) => {
    // Times march on, so that packets settle and flows age.
    if (random.below(3) === 0) now += TICK_NS * BigInt(random.below(100));
    pipeline.batch(input, input.length);
    pipeline.tick(now);
    if (++run % 50 === 0) {
      const changed = pipeline.flows.changedSince(cursor).map((flow) => pipeline.flowRecord(flow));
      cursor = pipeline.flows.version;
      text += JSON.stringify(changed).length;
      const { malformed, flows } = pipeline.quality();
      if (flows > FLOW_LIMIT) throw new Error(`${flows} flows`);
      if (Object.values(malformed).some((count) => !/^\d+$/.test(count))) throw new Error('counts');
      if (failure !== null) throw failure;
    }
  });
  pipeline.end();
  expect(failure).toBeNull();
  const { counters } = pipeline.joiner;
  const known =
    counters.hopsFinished +
    counters.hopsFiltered +
    counters.hopsCut +
    counters.hopsReleased +
    counters.hopsMalformed +
    counters.hopsUndone +
    counters.hopsRepeated +
    counters.hopsRefused -
    counters.hopsRead;
  expect(counters.hops).toBe(known);
  expect(paths).toBeGreaterThan(0);
  expect(text).toBeGreaterThan(0);
});
