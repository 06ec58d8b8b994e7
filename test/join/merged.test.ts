import { expect, test } from 'vitest';
import { verdictOf } from '../../src/join/verdict.js';
import { onlyRecordedPath } from '../export/recorded.js';
import { hopsText, Joining, nth } from '../fixtures/joined.js';
import type { PacketDescription } from '../fixtures/packet-bytes.js';
import {
  ADDRESSES,
  CALI3,
  ENS111,
  ENS112,
  NETNS,
  POD1_ETH0,
  POD3_ETH0,
  TUNL111,
  TUNL112,
} from '../fixtures/places.js';
import { type Journey, Tape } from '../fixtures/tape.js';
import { ways } from '../fixtures/ways.js';

const MSS = 1428;
const SEGMENT: PacketDescription = {
  proto: 'tcp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.pod3,
  sport: 40000,
  dport: 80,
  id: 300,
  seq: 5000,
  flags: '.',
  payload: MSS,
};

/** A pod's segment up to where the other node has taken it out of its tunnel. */
function tunnelled(tape: Tape, index: number): Journey {
  const { node111: src, node112: dst } = ADDRESSES;
  return tape
    .packet({ ...SEGMENT, id: 300 + index, seq: 5000 + index * MSS })
    .egress(POD1_ETH0)
    .egress(TUNL111)
    .set({ tunnel: { type: 'ipip', src, dst } })
    .hook(ENS111, 'output')
    .cross(ENS111, ENS112)
    .hook(ENS112, 'prerouting')
    .hook(ENS112, 'input')
    .set({ tunnel: null });
}

/** The first of them with the others' payload in it, and the flags of any (tcp_gro_receive). */
function merged(first: Journey, count: number): Journey {
  return first
    .change({ payload: count * MSS, flags: 'P.' })
    .set({ gso: { size: MSS, segs: count } })
    .ingress(TUNL112)
    .hook(CALI3, 'forward')
    .cross(CALI3, POD3_ETH0)
    .hook(POD3_ETH0, 'input');
}

test('each hop has the payload and the flags that the packet had there', () => {
  const tape = new Tape();
  merged(tunnelled(tape, 0), 3).deliver(NETNS.pod3);
  const { hops } = onlyRecordedPath(tape);
  const shown = hops.map(({ netns, dev, tcp }) => `${netns}/${dev}: ${tcp?.payload} ${tcp?.flags}`);
  expect([...new Set(shown)].filter((text) => /eth0|tunl0/.test(text))).toEqual([
    `pod1/eth0: ${MSS} .`,
    `node111/tunl0: ${MSS} .`,
    `node112/tunl0: ${3 * MSS} P.`,
    `pod3/eth0: ${3 * MSS} P.`,
  ]);
  expect(hops.at(-1)).toMatchObject({ stage: 'deliver', tcp: { flags: 'P.' } });
});

test('what was merged shares the end of what it was merged into', () => {
  const tape = new Tape();
  const [first] = [0, 1, 2].map((index) => tunnelled(tape, index));
  merged(first as Journey, 3).deliver(NETNS.pod3);
  const joining = new Joining().end(tape);
  expect(joining.paths.map(hopsText)).toEqual([
    '>eth0 >tunl0 O >ens10 <ens10 P I <tunl0 F >cali118af4ccd16 <eth0 I !',
    '>eth0 >tunl0 O >ens10 <ens10 P I',
    '>eth0 >tunl0 O >ens10 <ens10 P I',
  ]);
  expect(joining.paths.map((path) => verdictOf(path, false))).toEqual(
    new Array(3).fill('delivered'),
  );
  const flow = nth(joining.allFlows(), 0);
  expect(ways(flow)[0]).toMatchObject({ packets: 3, bytes: 3 * (40 + MSS) });
});

test('what is after the merged range, or another stream, has no known end', () => {
  const tape = new Tape();
  const first = tunnelled(tape, 0);
  tunnelled(tape, 1);
  tunnelled(tape, 2);
  merged(first, 2);
  const paths = new Joining().end(tape).paths;
  expect(paths.map((path) => verdictOf(path, false))).toEqual([
    'delivered',
    'delivered',
    'unknown',
  ]);
});

test('the end of a tunnel is not the end of what it carries', () => {
  const tape = new Tape();
  tunnelled(tape, 0);
  const [path] = new Joining().end(tape).paths;
  expect(path && verdictOf(path, false)).toBe('unknown');
});

test('a release that is reported with what came before the merge does not come before it', () => {
  const tape = new Tape();
  const [first, second] = [0, 1].map((index) => tunnelled(tape, index)) as [Journey, Journey];
  // The CPU on which they arrived sees them released, another one saw the merge in between.
  const arrived = tape.length;
  merged(first, 2).deliver(NETNS.pod3);
  tape.free(first.skb, arrived);
  second.free();
  const joining = new Joining({ cpuOf: (index) => (index < arrived ? 0 : 1) }).end(tape);
  expect(joining.paths.map(hopsText)).toEqual([
    '>eth0 >tunl0 O >ens10 <ens10 P I <tunl0 F >cali118af4ccd16 <eth0 I !',
    '>eth0 >tunl0 O >ens10 <ens10 P I',
  ]);
  expect(joining.paths.map((path) => verdictOf(path, false))).toEqual(['delivered', 'delivered']);
});

test('what was released before the merge is no part of it', () => {
  const tape = new Tape();
  const [first, second] = [0, 1].map((index) => tunnelled(tape, index)) as [Journey, Journey];
  second.free();
  merged(first, 2).deliver(NETNS.pod3);
  const { paths } = new Joining().end(tape);
  expect(paths.map((path) => verdictOf(path, false))).toEqual(['delivered', 'unknown']);
});
