import { expect, it } from 'vitest';
import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import { Pipeline } from '../../src/pipeline.js';
import { noSource } from '../fixtures/no-source.mjs';
import { ADDRESSES, CALI1, CALI2, POD1_ETH0, POD2_ETH0 } from '../fixtures/places.js';
import { TAPE_START, Tape } from '../fixtures/tape.js';

const PACKETS = 400;
const APART_NS = 250e3;

interface Part {
  readonly batch: Uint8Array;
  readonly until: bigint;
}

/** Datagrams of one flow in two parts, a tenth of a second each. */
function parts(): [Part, Part] {
  const tape = new Tape();
  const part = (first: number): Part => {
    for (let id = first; id < first + PACKETS; id += 1) {
      tape
        .packet({
          ...{
            proto: 'udp',
            src: ADDRESSES.pod1,
            dst: ADDRESSES.pod2,
            sport: 33333,
            dport: 53,
            id,
          },
        })
        .set({ sock: 0xabcn })
        .cross(POD1_ETH0, CALI1)
        .set({ sock: 0n })
        .cross(CALI2, POD2_ETH0)
        .hook(POD2_ETH0, 'input')
        .free();
      tape.wait(APART_NS);
    }
    const batch = tape.batch();
    tape.clear();
    return { batch, until: tape.time };
  };
  return [part(1), part(1 + PACKETS)];
}

function played(isRelieved: boolean): { readonly ids: number[]; readonly reliefs: number } {
  const ids: number[] = [];
  const pipeline = new Pipeline(noSource(TAPE_START, EMPTY_CATALOG), {
    onPath: ({ path }) => ids.push(path.ipId),
  });
  const [first, second] = parts();
  let reliefs = 0;
  pipeline.tick(TAPE_START);
  pipeline.batch(first.batch, first.batch.byteLength);
  pipeline.tick(first.until, () => {
    reliefs += 1;
    if (!isRelieved || reliefs > 1) return;
    // What was read may be overwritten at once.
    const borrowed = Uint8Array.from(second.batch);
    pipeline.batch(borrowed, borrowed.byteLength);
    borrowed.fill(0xff);
  });
  if (!isRelieved) pipeline.batch(second.batch, second.batch.byteLength);
  pipeline.tick(second.until);
  pipeline.end();
  return { ids, reliefs };
}

it('batches that come while much is joined are joined after it, as if they had come later', () => {
  const { ids, reliefs } = played(true);
  expect(reliefs).toBeGreaterThan(3);
  expect(ids).toEqual(Array.from({ length: 2 * PACKETS }, (_, at) => at + 1));
  expect(played(false).ids).toEqual(ids);
});
