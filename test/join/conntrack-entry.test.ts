import { expect, test } from 'vitest';
import { Joining, nth } from '../fixtures/joined.js';
import { ADDRESSES, CALI1 } from '../fixtures/places.js';
import { Tape } from '../fixtures/tape.js';
import type { ConntrackTuple } from '../fixtures/wire-record.js';

const CLIENT = { src: ADDRESSES.pod1, sport: 40_000 };
const ENTRY = 0xffff_8880_1000_0000n;

/** A packet to the service whose entry says that `server` answers. */
function send(tape: Tape, id: number, server: string): void {
  const original: ConntrackTuple = { ...CLIENT, dst: ADDRESSES.service, dport: 53, protocol: 17 };
  const reply: ConntrackTuple = {
    ...{ src: server, sport: 53, dst: CLIENT.src, dport: CLIENT.sport },
    protocol: 17,
  };
  tape
    .packet({ proto: 'udp', ...CLIENT, dst: ADDRESSES.service, dport: 53, id })
    .set({ ctInfo: 'new', ct: { address: ENTRY, status: 8, original, reply } })
    .hook(CALI1, 'prerouting', [-101])
    .free();
}

test('an entry in the memory of another, of the same client, has the reply of its own', () => {
  const tape = new Tape();
  send(tape, 1, ADDRESSES.pod2);
  send(tape, 2, ADDRESSES.pod3);
  send(tape, 3, ADDRESSES.pod3);
  const paths = new Joining().end(tape).paths;
  const entries = paths.map((path) => nth(path.hops, 0).ct);
  expect(entries.map((entry) => entry?.reply?.src)).toEqual([
    ADDRESSES.pod2,
    ADDRESSES.pod3,
    ADDRESSES.pod3,
  ]);
  // What has not changed is one object.
  expect(entries[2]).toBe(entries[1]);
  expect(entries[1]?.original).toBe(entries[0]?.original);
});
