import { expect, test } from 'vitest';
import { recorded } from '../export/recorded.js';
import { flowFaults, pathFaults } from '../fixtures/contract.js';
import { ADDRESSES, CALI1, ENS111 } from '../fixtures/places.js';
import { Tape } from '../fixtures/tape.js';

const ENDS = { type: 'gre', src: ADDRESSES.node111, dst: ADDRESSES.node112 } as const;

test('tunnels of GRE between the same hosts are distinguished by their keys', () => {
  const tape = new Tape();
  for (const key of [undefined, 7, 8, 7]) {
    const packet = tape.packet({
      proto: 'udp',
      src: ADDRESSES.pod1,
      dst: ADDRESSES.pod2,
      sport: 4000,
      dport: 53,
      payload: 8,
    });
    packet.egress(CALI1);
    packet.tunnel = key === undefined ? ENDS : { ...ENDS, key };
    packet.egress(ENS111);
    tape.wait(1e9);
  }
  const { paths, flows } = recorded(tape);
  expect(paths.map(({ hops }) => hops.at(-1)?.outer?.key)).toEqual([undefined, 7, 8, 7]);
  expect(flows.map(({ encapsulation }) => encapsulation.map(({ key }) => key))).toEqual([
    [undefined, 7, 8],
  ]);
  for (const path of paths) expect(pathFaults(JSON.stringify(path))).toEqual([]);
  for (const flow of flows) expect(flowFaults(JSON.stringify(flow))).toEqual([]);
});
