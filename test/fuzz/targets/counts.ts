import { Pipeline } from '../../../src/pipeline.js';
import { Epoch } from '../../../src/wire/clock.js';
import { CountCursor } from '../../../src/wire/count-cursor.js';
import { SIZEOF_COUNT, SIZEOF_COUNT_KEY } from '../../../src/wire/count-layout.gen.js';
import { CLUSTER } from '../../fixtures/catalog.js';
import { noSource } from '../../fixtures/no-source.mjs';
import type { Random } from '../random.js';
import { flowFault } from '../record-fault.js';
import type { Era, Target } from '../target.js';
import { FLOW_LIMIT } from './pipeline.js';

const EPOCH_NS = 5_000_000_000n;
const ENTRY = SIZEOF_COUNT_KEY + SIZEOF_COUNT;

/** Entries of the counter's map, each its key and its value. */
export const COUNTS_TARGET: Target = {
  name: 'counts',
  kind: 'bytes',
  longest: 8 * ENTRY,
  era: 1000,
  lanes: 1,
  leastGood: 0.3,
  begin: () => new CountsEra(),
};

class CountsEra implements Era {
  good = 0;
  readonly #cursor = new CountCursor(new Epoch(EPOCH_NS));
  readonly #pipeline = new Pipeline(noSource(EPOCH_NS, CLUSTER), { flowLimit: FLOW_LIMIT });
  #looked = 0;
  #run = 0;
  #now = EPOCH_NS;

  check(input: Uint8Array, random: Random): void {
    const { keys, values, count } = batchOf(input);
    const cursor = this.#cursor;
    const before = cursor.rows;
    cursor.borrow(
      keys,
      values,
      random.below(4) === 0 ? random.bits() : count,
      random.below(4) === 0,
    );
    while (cursor.next()) {
      if (cursor.index >= count) throw new Error('a row outside the batch');
      for (const port of [cursor.sport, cursor.dport]) {
        if (!(port >= -1 && port <= 0xffff)) throw new Error(`port ${port}`);
      }
      if (!(cursor.packets > 0 && Number.isFinite(cursor.bytes))) throw new Error('counts');
      if (!Number.isFinite(cursor.first) || !Number.isFinite(cursor.last)) throw new Error('times');
      for (const tuple of [cursor.ctOriginal, cursor.ctReply]) {
        if (tuple !== null && tuple.family !== 4 && tuple.family !== 6) throw new Error('family');
      }
      this.#pipeline.count(cursor);
    }
    if (cursor.rows - before > count) throw new Error('more rows than entries');
    if (cursor.rows > before) this.good += 1;
    this.#now += BigInt(random.below(100_000_000));
    this.#pipeline.tick(this.#now);
    this.#run += 1;
    if (this.#run % 100 === 0) this.#look();
  }

  #look(): void {
    const { flows } = this.#pipeline;
    if (flows.size > FLOW_LIMIT) throw new Error(`${flows.size} flows`);
    for (const flow of flows.changedSince(this.#looked)) {
      const record = JSON.stringify(this.#pipeline.flowRecord(flow));
      const fault = flowFault(record);
      if (fault !== null) throw new Error(fault);
    }
    this.#looked = flows.version;
  }

  end(): void {
    this.#pipeline.end();
  }
}

/** Keys and values as the map's batch has them, apart. */
function batchOf(input: Uint8Array): { keys: Uint8Array; values: Uint8Array; count: number } {
  const count = Math.floor(input.length / ENTRY);
  const keys = new Uint8Array(count * SIZEOF_COUNT_KEY);
  const values = new Uint8Array(count * SIZEOF_COUNT);
  for (let i = 0; i < count; i++) {
    const entry = input.subarray(i * ENTRY, (i + 1) * ENTRY);
    keys.set(entry.subarray(0, SIZEOF_COUNT_KEY), i * SIZEOF_COUNT_KEY);
    values.set(entry.subarray(SIZEOF_COUNT_KEY), i * SIZEOF_COUNT);
  }
  return { keys, values, count };
}
