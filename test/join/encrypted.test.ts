import { expect, test } from 'vitest';
import { ORIGIN_FIRST_SEEN, ORIGIN_SEGMENT } from '../../src/join/path.js';
import { isComplete, verdictOf } from '../../src/join/verdict.js';
import { hopsText, Joining, nth, onlyPath, tupleText } from '../fixtures/joined.js';
import type { PacketDescription, Tunnel } from '../fixtures/packet-bytes.js';
import {
  ADDRESSES,
  CALI1,
  CALI3,
  ENS111,
  ENS112,
  POD1_ETH0,
  POD3_ETH0,
  WG111,
  WG112,
} from '../fixtures/places.js';
import { type Journey, Tape } from '../fixtures/tape.js';
import { ways } from '../fixtures/ways.js';

const PING: PacketDescription = {
  proto: 'icmp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.pod3,
  id: 7982,
  icmpId: 56616,
  icmpSeq: 1,
  payload: 56,
};
const SEGMENT: PacketDescription = {
  proto: 'tcp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.pod3,
  sport: 40000,
  dport: 80,
  id: 300,
  seq: 5000,
  flags: 'A',
  payload: 1388,
};

function wireguard(counter: number): Tunnel {
  const { node111: src, node112: dst } = ADDRESSES;
  return { type: 'wireguard', src, dst, sport: 51820, counter };
}

/** What a receiving node sees of an encrypted packet before it can read it. */
function arrive(journey: Journey, counter: number): Journey {
  return journey
    .set({ tunnel: wireguard(counter) })
    .ingress(ENS112)
    .hook(ENS112, 'prerouting')
    .hook(ENS112, 'input')
    .set({ tunnel: null });
}

function intoPod3(journey: Journey): Journey {
  return journey
    .hook(WG112, 'prerouting')
    .hook(CALI3, 'forward')
    .cross(CALI3, POD3_ETH0)
    .hook(POD3_ETH0, 'input');
}

/** Over the wire, from where the encrypted packet appears to where it can be read. */
function overWire(journey: Journey, counter: number): Journey {
  return arrive(
    journey
      .set({ tunnel: wireguard(counter) })
      .hook(ENS111, 'output')
      .egress(ENS111),
    counter,
  );
}

test('on a receiving node alone, what comes out says what went in', () => {
  const tape = new Tape();
  intoPod3(arrive(tape.packet(PING), 7).ingress(WG112));
  const joining = new Joining().end(tape);
  expect(joining.paths.map(hopsText)).toEqual([
    '<ens10 P I <wireguard.cali P F >cali118af4ccd16 <eth0 I',
  ]);
  const path = nth(joining.paths, 0);
  expect([...new Set(path.hops.map(tupleText))]).toEqual([
    'icmp 10.244.153.204:56616 > 10.244.146.205:56616',
  ]);
  expect(nth(path.hops, 0)).toMatchObject({
    len: 170,
    ipLength: 84,
    outer: { src: ADDRESSES.node111, dst: ADDRESSES.node112, dport: 51820, overhead: 60 },
  });
  expect(verdictOf(path, false)).toBe('delivered');
  const flow = nth(joining.allFlows(), 0);
  expect(ways(flow)[0]).toMatchObject({ packets: 1, bytes: 84 });
  expect(flow.encapsulations).toMatchObject([{ overhead: 60 }]);
});

test('a release that is reported with what came before the decryption is no end before it', () => {
  const tape = new Tape();
  const journey = arrive(tape.packet(PING), 7);
  const arrived = tape.length;
  intoPod3(journey.ingress(WG112));
  tape.free(journey.skb, arrived);
  const joining = new Joining({ cpuOf: (index) => (index < arrived ? 0 : 1) }).end(tape);
  expect(joining.paths.map(hopsText)).toEqual([
    '<ens10 P I <wireguard.cali P F >cali118af4ccd16 <eth0 I',
  ]);
});

test.each([
  ['longer than', 40],
  ['shorter by more than the padding of', 80],
])('what comes out %s what went in is another packet', (_, payload) => {
  const tape = new Tape();
  const journey = arrive(tape.packet({ ...PING, payload }), 7);
  journey.change({ payload: 56 }).ingress(WG112);
  const paths = new Joining().end(tape).paths;
  expect(paths.map(hopsText)).toEqual(['<ens10 P I', '<wireguard.cali']);
  expect(paths.map(({ hops }) => tupleText(hops[0]).split(' ')[0])).toEqual(['udp', 'icmp']);
});

test('a keepalive in the buffer of a packet that went into the tunnel is its own', () => {
  const tape = new Tape();
  const journey = tape.packet(PING).cross(POD1_ETH0, CALI1).egress(WG111);
  tape
    .packet({ ...PING, payload: 4 }, { skb: journey.skb })
    .set({ tunnel: wireguard(8) })
    .hook(ENS111, 'output')
    .egress(ENS111);
  expect(new Joining().end(tape).paths.map(hopsText)).toEqual([
    '>eth0 <calice0906292e2 >wireguard.cali',
    'O >ens10',
  ]);
});

test('two messages in one buffer are distinguished by their counter', () => {
  const tape = new Tape();
  const first = tape
    .packet(PING)
    .set({ tunnel: wireguard(1) })
    .ingress(ENS112);
  tape
    .packet(PING, { skb: first.skb })
    .set({ tunnel: wireguard(2) })
    .ingress(ENS112);
  expect(new Joining().end(tape).paths.map(hopsText)).toEqual(['<ens10', '<ens10']);
});

test('from pod to pod it is one path, complete', () => {
  const tape = new Tape();
  const sent = tape.packet(PING).cross(POD1_ETH0, CALI1).egress(WG111);
  intoPod3(overWire(sent, 3).ingress(WG112));
  const path = onlyPath(tape);
  expect(hopsText(path)).toBe(
    '>eth0 <calice0906292e2 >wireguard.cali O >ens10 <ens10 P I <wireguard.cali P F >cali118af4ccd16 <eth0 I',
  );
  expect(isComplete(path)).toBe(true);
});

test('what another CPU saw of it encrypted comes between what one saw before and after', () => {
  const tape = new Tape();
  const sent = tape.packet(PING).cross(POD1_ETH0, CALI1).egress(WG111);
  const plain = tape.length;
  const arrived = overWire(sent, 3);
  const encrypted = tape.length;
  intoPod3(arrived.ingress(WG112)).free();
  const cpuOf = (index: number): number => (index >= plain && index < encrypted ? 1 : 0);
  const joining = new Joining({ grouped: true, cpuOf }).end(tape);
  expect(joining.paths.map(hopsText)).toEqual([
    '>eth0 <calice0906292e2 >wireguard.cali O >ens10 <ens10 P I <wireguard.cali P F >cali118af4ccd16 <eth0 I',
  ]);
  expect(isComplete(nth(joining.paths, 0))).toBe(true);
});

test('what the tunnel device cuts is found when it comes out, and counted once', () => {
  const tape = new Tape();
  tape
    .packet({ ...SEGMENT, payload: 3 * 1388 })
    .set({ gso: { size: 1388, segs: 3 } })
    .cross(POD1_ETH0, CALI1)
    .egress(WG111)
    .free();
  for (const index of [0, 1, 2]) {
    const segment = tape.packet({ ...SEGMENT, id: 300 + index, seq: 5000 + index * 1388 });
    intoPod3(overWire(segment, 10 + index).ingress(WG112));
  }
  const joining = new Joining().end(tape);
  const segments = joining.paths.filter(({ origin }) => origin === ORIGIN_SEGMENT);
  expect(segments.map(hopsText)).toEqual(
    new Array(3).fill(
      '>eth0 <calice0906292e2 >wireguard.cali O >ens10 <ens10 P I <wireguard.cali P F >cali118af4ccd16 <eth0 I',
    ),
  );
  expect(segments.every(isComplete)).toBe(true);
  expect(joining.allFlows()).toHaveLength(1);
  expect(ways(nth(joining.allFlows(), 0))[0]).toMatchObject({
    packets: 1,
    bytes: 40 + 3 * 1388,
  });
});

test('a segment that is under way when its packet is sent again is of the first of the two', () => {
  const tape = new Tape();
  const send = (id: number): unknown =>
    tape
      .packet({ ...SEGMENT, id, payload: 2 * 1388 })
      .set({ gso: { size: 1388, segs: 2 } })
      .cross(POD1_ETH0, CALI1)
      .egress(WG111)
      .free();
  send(300);
  const segment = overWire(tape.packet(SEGMENT), 10);
  send(302);
  intoPod3(segment.ingress(WG112));
  const { paths } = new Joining().end(tape);
  expect(paths.filter(({ origin }) => origin === ORIGIN_SEGMENT).map(hopsText)).toEqual([
    '>eth0 <calice0906292e2 >wireguard.cali O >ens10 <ens10 P I <wireguard.cali P F >cali118af4ccd16 <eth0 I',
  ]);
});

test('what the tunnel device cut and another buffer got all of has the end of that', () => {
  const tape = new Tape();
  const first = overWire(tape.packet(SEGMENT).cross(POD1_ETH0, CALI1).egress(WG111), 20);
  const whole = { ...SEGMENT, id: 301, seq: 5000 + 1388, payload: 2 * 1388 };
  tape
    .packet(whole)
    .set({ gso: { size: 1388, segs: 2 } })
    .cross(POD1_ETH0, CALI1)
    .egress(WG111)
    .free();
  for (const index of [1, 2]) {
    overWire(tape.packet({ ...SEGMENT, id: 300 + index, seq: 5000 + index * 1388 }), 20 + index);
  }
  const merged = first.change({ payload: 3 * 1388 }).set({ gso: { size: 1388, segs: 3 } });
  intoPod3(merged.ingress(WG112));
  const joining = new Joining().end(tape);
  const known = joining.paths.filter(({ hops }) => tupleText(hops[0]).startsWith('tcp'));
  expect(known.map((path) => [path.payloadLength / 1388, verdictOf(path, false)])).toEqual([
    [3, 'delivered'],
    [2, 'delivered'],
  ]);
});

test('of what was merged after the tunnel the first is known by its buffer', () => {
  const tape = new Tape();
  const first = overWire(tape.packet(SEGMENT), 20);
  const second = overWire(tape.packet({ ...SEGMENT, id: 301, seq: 5000 + 1388 }), 21);
  const merged = first.change({ payload: 2 * 1388 }).set({ gso: { size: 1388, segs: 2 } });
  intoPod3(merged.ingress(WG112));
  const paths = new Joining().end(tape).paths;
  const [known, opaque] = [first, second].map(({ skb }) =>
    paths.find((path) => path.skb === Number(skb & 0xffff_ffff_ffffn)),
  );
  expect(known && hopsText(known)).toContain('I <wireguard.cali P F');
  expect(known?.origin).toBe(ORIGIN_FIRST_SEEN);
  expect(known?.hops[0]?.ipLength).toBe(40 + 1388);
  // Nothing proves whose the second one is.
  expect(opaque && hopsText(opaque)).toBe('O >ens10 <ens10 P I');
  expect(tupleText(opaque?.hops[0])).toContain('udp');
});
