import { expect, test } from 'vitest';
import { hopsText, joinAll, tupleText } from '../fixtures/joined.js';
import type { PacketDescription } from '../fixtures/packet-bytes.js';
import { ADDRESSES, CALI1, CALI2, POD1_ETH0, POD2_ETH0 } from '../fixtures/places.js';
import { Tape } from '../fixtures/tape.js';

const DATAGRAM: PacketDescription = {
  ...{ proto: 'udp', src: ADDRESSES.pod1, dst: ADDRESSES.pod2, sport: 30_000, dport: 80 },
  ...{ id: 5, payload: 401 },
};

test('a datagram of another port, with the same id and length, is another one', () => {
  const tape = new Tape();
  const send = (sport: number, skb?: bigint): bigint => {
    const packet = tape.packet({ ...DATAGRAM, sport }, skb === undefined ? {} : { skb });
    packet
      .hook(POD1_ETH0, 'output')
      .cross(POD1_ETH0, CALI1)
      .cross(CALI2, POD2_ETH0)
      .hook(POD2_ETH0, 'input');
    return packet.skb;
  };
  // The end of the first is not seen.
  send(30_001, send(30_000));
  const paths = joinAll(tape);
  const way = 'O >eth0 <calice0906292e2 >calibd2348b4f67 <eth0 I';
  expect(paths.map(hopsText)).toEqual([way, way]);
  expect(paths.map(({ hops }) => tupleText(hops[0]).split(' ')[1])).toEqual([
    `${ADDRESSES.pod1}:30000`,
    `${ADDRESSES.pod1}:30001`,
  ]);
});

test('what is sent in a namespace that nothing led to is another, with the same id and length', () => {
  const tape = new Tape();
  const first = tape.packet(DATAGRAM).cross(CALI1, POD1_ETH0);
  tape
    .packet({ ...DATAGRAM, dport: 53 }, { skb: first.skb })
    .hook(POD2_ETH0, 'output')
    .egress(POD2_ETH0);
  expect(joinAll(tape).map(hopsText)).toEqual(['>calice0906292e2 <eth0', 'O >eth0']);
});

test('what comes to OUTPUT again with other ports, from OUTPUT, is translated', () => {
  const tape = new Tape();
  tape
    .packet(DATAGRAM)
    .hook(POD1_ETH0, 'output')
    .change({ dport: 8080 })
    .hook(POD1_ETH0, 'output')
    .egress(POD1_ETH0);
  expect(joinAll(tape).map(hopsText)).toEqual(['O >eth0']);
});

test('what is sent by another source where the last packet of its buffer was received is another one', () => {
  const tape = new Tape();
  const request = tape.packet(DATAGRAM);
  request.cross(CALI2, POD2_ETH0).hook(POD2_ETH0, 'input');
  // The end of the request is not seen, and the answer is as long and has its id.
  tape
    .packet({ ...DATAGRAM, src: ADDRESSES.pod2, dst: ADDRESSES.pod1, dport: 9 }, request)
    .hook(POD2_ETH0, 'output')
    .egress(POD2_ETH0);
  expect(joinAll(tape).map(hopsText)).toEqual(['>calibd2348b4f67 <eth0 I', 'O >eth0']);
});

test('what IPVS sends on from INPUT keeps its source, and is the same packet', () => {
  const tape = new Tape();
  tape
    .packet(DATAGRAM)
    .ingress(POD2_ETH0)
    .hook(POD2_ETH0, 'input')
    .change({ dst: ADDRESSES.pod3, dport: 8080 })
    .hook(POD2_ETH0, 'output')
    .egress(POD2_ETH0);
  expect(joinAll(tape).map(hopsText)).toEqual(['<eth0 I O >eth0']);
});
