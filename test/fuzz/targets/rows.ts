import { parseServerMessage } from 'hopscope-protocol';
import { HopscopeError } from '../../../src/model/errors.js';
import { Names } from '../../../src/name/names.js';
import { readBatch } from '../../../src/serve/row-reader.js';
import { RowTable } from '../../../src/serve/row-table.js';
import { CLUSTER } from '../../fixtures/catalog.js';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

const ROWS = 64;

/** Batches of rows on their way from the collector to the server process. */
export const ROWS_TARGET: Target = {
  name: 'rows',
  kind: 'bytes',
  longest: 2048,
  era: 1000,
  lanes: 1,
  leastGood: 0.1,
  begin: () => new RowsEra(),
};

class RowsEra implements Era {
  good = 0;
  readonly #names = new Names(CLUSTER);
  readonly #table = new RowTable(ROWS);
  readonly #seen = new Map<number, string>();

  constructor() {
    this.#table.listen({
      changed: (slot) => {
        const id = this.#table.row(slot)?.id;
        if (id !== undefined) this.#seen.set(slot, id);
      },
      removed: (slot, id) => {
        if (this.#seen.get(slot) !== id) throw new Error('a row is removed that was not there');
        this.#seen.delete(slot);
      },
      cleared: () => this.#seen.clear(),
    });
  }

  check(input: Uint8Array, random: Random): void {
    const table = this.#table;
    // Memory of its own, as a frame has it.
    const payload = new Uint8Array(input);
    let rows = 0;
    try {
      const batch = readBatch(payload, this.#names, 5_000_000_000n);
      rows = batch.updates.length;
      table.apply(batch);
    } catch (error) {
      if (error instanceof HopscopeError && error.code === 'bad-batch') return;
      throw error;
    }
    if (table.size > ROWS) throw new Error(`${table.size} rows`);
    if (this.#seen.size !== table.size) throw new Error('listeners have other rows than the table');
    if (random.below(8) === 0) table.measure();
    const slots = table.byRecency();
    if (slots.length !== table.size) throw new Error('the order of change is not whole');
    if (slots.length > 0) this.#asMessage(random.pick([...slots]));
    if (rows > 0) this.good += 1;
  }

  /** The page takes what is sent. */
  #asMessage(slot: number): void {
    const rows = this.#table.json(slot);
    const text = `{"type":"flows","reset":false,"rows":[${rows}],"removed":[],"total":1,"behind":0,"now":"0"}`;
    const parsed = parseServerMessage(text);
    if (!parsed.ok) throw new Error(`${parsed.message}: ${rows}`);
  }
}
