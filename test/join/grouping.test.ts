import type { FlowRecord, PathRecord } from 'hopscope-protocol';
import { expect, test } from 'vitest';
import { flowRecord } from '../../src/export/flow-record.js';
import { pathRecord } from '../../src/export/path-record.js';
import { Names } from '../../src/name/names.js';
import { Epoch } from '../../src/wire/clock.js';
import { CLUSTER } from '../fixtures/catalog.js';
import { play, SHAPE } from '../fixtures/interleaved.js';
import { Joining, nth } from '../fixtures/joined.js';
import type { PacketDescription } from '../fixtures/packet-bytes.js';
import { CALI1, CALI2, POD1_ETH0, POD2_ETH0 } from '../fixtures/places.js';
import { fc } from '../fixtures/properties.js';
import { TAPE_START, Tape } from '../fixtures/tape.js';

const PING: PacketDescription = {
  ...{ src: '10.244.153.204', dst: '10.244.153.205', proto: 'icmp', id: 7 },
  ...{ icmpType: 8, icmpId: 3, icmpSeq: 1 },
};
const DATAGRAM: PacketDescription = {
  ...{ src: '10.244.153.204', dst: '10.244.153.205', proto: 'udp', id: 500 },
  ...{ sport: 40_000, dport: 53, payload: 32 },
};

/** Everything that comes of a tape. */
function joined(tape: Tape, joining: Joining): { paths: PathRecord[]; flows: FlowRecord[] } {
  const names = new Names(CLUSTER, () => null);
  const epoch = new Epoch(TAPE_START);
  joining.end(tape);
  return {
    paths: joining.finished.map((finished) => pathRecord(finished, names, epoch)),
    flows: joining.allFlows().map((flow) => flowRecord(flow, names, epoch)),
  };
}

/** Plays the same twice and compares what comes of one record a hop with what comes of trails. */
function compare(cpus: fc.Arbitrary<readonly number[]>): void {
  fc.assert(
    fc.property(
      fc.array(SHAPE, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(1000), { minLength: 20, maxLength: 200 }),
      fc.integer({ min: 1, max: 6 }),
      cpus,
      (shapes, turns, together, cpuOf) => {
        const tapes = [new Tape(), new Tape()] as const;
        for (const tape of tapes) {
          play(tape, shapes, turns, together);
        }
        const alone = joined(tapes[0], new Joining({ grouped: false }));
        const grouped = joined(
          tapes[1],
          new Joining({ grouped: true, cpuOf: (index) => nth(cpuOf, index % cpuOf.length) }),
        );
        expect(grouped.paths).toEqual(alone.paths);
        expect(grouped.flows).toEqual(alone.flows);
      },
    ),
    { numRuns: 30, endOnFailure: true },
  );
}

test('one record a hop or one a packet: the same paths and the same flows', () => {
  compare(fc.constant([0]));
}, 60_000);

test('the same where packets move from one CPU to another', () => {
  compare(fc.array(fc.nat(2), { minLength: 1, maxLength: 40 }));
}, 60_000);

test('what is joined of a trail that another packet goes on in waits for all that began before', () => {
  const tape = new Tape();
  // A datagram whose buffer is released without notice, and taken over by a ping's data.
  const first = tape.packet(DATAGRAM).cross(POD1_ETH0, CALI1);
  const ping = tape.packet(PING).cross(POD1_ETH0, CALI1).free();
  ping.set({ skb: first.skb }).hook(CALI1, 'prerouting').cross(CALI2, POD2_ETH0).free();
  // The ping's data are used again at once.
  tape
    .packet({ ...PING, id: 9 }, { head: ping.head })
    .cross(POD1_ETH0, CALI1)
    .free();
  const joining = new Joining({ grouped: true }).end(tape);
  expect(joining.paths.map((path) => [path.ipId, path.length])).toEqual([
    [500, 2],
    [PING.id, 8],
    [9, 2],
  ]);
  expect(joining.joiner.counters).toMatchObject({ trails: 3, hops: 12, hopsFinished: 12 });
});
