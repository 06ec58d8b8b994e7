import fc from 'fast-check';
import { expect, test } from 'vitest';
import { flowRecord } from '../../src/export/flow-record.js';
import { pathRecord } from '../../src/export/path-record.js';
import type { FlowRecord, PathRecord } from '../../src/model/records.js';
import { Names } from '../../src/name/names.js';
import { Epoch } from '../../src/wire/clock.js';
import { CLUSTER } from '../fixtures/catalog.js';
import { play, SHAPE } from '../fixtures/interleaved.js';
import { Joining } from '../fixtures/joined.js';
import { TAPE_START, Tape } from '../fixtures/tape.js';

/** Everything that comes of a tape. */
function joined(tape: Tape, grouped: boolean): { paths: PathRecord[]; flows: FlowRecord[] } {
  const names = new Names(CLUSTER, () => null);
  const epoch = new Epoch(TAPE_START);
  const joining = new Joining({ grouped }).end(tape);
  return {
    paths: joining.finished.map((finished) => pathRecord(finished, names, epoch)),
    flows: joining.allFlows().map((flow) => flowRecord(flow, names, epoch)),
  };
}

test('one record a hop or one a packet: the same paths and the same flows', () => {
  fc.assert(
    fc.property(
      fc.array(SHAPE, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(1000), { minLength: 20, maxLength: 200 }),
      fc.integer({ min: 1, max: 6 }),
      (shapes, turns, together) => {
        const [alone, grouped] = [false, true].map((isGrouped) => {
          const tape = new Tape();
          play(tape, shapes, turns, together);
          return joined(tape, isGrouped);
        });
        expect(grouped?.paths).toEqual(alone?.paths);
        expect(grouped?.flows).toEqual(alone?.flows);
      },
    ),
    { numRuns: 100, endOnFailure: true },
  );
}, 60_000);
