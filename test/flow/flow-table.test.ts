import { describe, expect, test } from 'vitest';
import type { Flow } from '../../src/flow/flow.js';
import { FlowTable } from '../../src/flow/flow-table.js';
import { LEG_LIMIT } from '../../src/flow/legs.js';
import { mtuSeen } from '../../src/flow/mtu-seen.js';
import { RECENT_PATH_LIMIT, RECENT_PATHS_PER_FLOW } from '../../src/flow/recent-paths.js';
import type { Path } from '../../src/join/path.js';
import {
  AT_POD1,
  AT_POD2,
  AT_POD3,
  Connection,
  type ConnectionPlan,
} from '../fixtures/connection.js';
import { Joining, nth, REASONS } from '../fixtures/joined.js';
import { PathMaker } from '../fixtures/path-of.js';
import {
  ADDRESSES,
  CALI1,
  CALI2,
  ELSEWHERE_ETH0,
  ENS111,
  ENS112,
  POD1_ETH0,
  POD2_ETH0,
} from '../fixtures/places.js';
import { Tape } from '../fixtures/tape.js';
import { ways } from '../fixtures/ways.js';

const SECOND = 1_000_000_000;

const DIRECT: ConnectionPlan = {
  proto: 'tcp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.pod2,
  sport: 38610,
  dport: 80,
  from: AT_POD1,
  to: AT_POD2,
};
const DNAT: ConnectionPlan = {
  ...DIRECT,
  dst: ADDRESSES.service,
  dport: 8080,
  dnat: { dst: ADDRESSES.pod2, dport: 80 },
};

function text(tuple: { src: string; sport: number; dst: string; dport: number } | null): string {
  return tuple === null ? 'none' : `${tuple.src}:${tuple.sport} > ${tuple.dst}:${tuple.dport}`;
}

function onlyFlow(joining: Joining): Flow {
  const flows = joining.allFlows();
  expect(flows.map((flow) => text(flow.original))).toHaveLength(1);
  return nth(flows, 0);
}

/** A handshake, a request, its answer; nothing closed. */
function talk(connection: Connection, id = 1): void {
  connection.send('original', { id, seq: 1000, flags: 'S' });
  connection.send('reply', { id: 0, seq: 5000, ack: 1001, flags: 'S.' });
  connection.send('original', { id: id + 1, seq: 1001, ack: 5001, flags: '.' });
  connection.send('original', { id: id + 2, seq: 1001, ack: 5001, flags: 'P.', payload: 100 });
  connection.send('reply', { id: 77, seq: 5001, ack: 1101, flags: 'P.', payload: 400 });
}

describe('both directions of a connection are one record', () => {
  const SNAT = { src: ADDRESSES.node111, sport: 61001 };
  const CASES: readonly (readonly [string, ConnectionPlan, string, string])[] = [
    [
      'with nothing translated',
      DIRECT,
      '10.244.153.204:38610 > 10.244.153.201:80',
      '10.244.153.201:80 > 10.244.153.204:38610',
    ],
    [
      'with its destination translated',
      DNAT,
      '10.244.153.204:38610 > 10.107.161.255:8080',
      '10.244.153.201:80 > 10.244.153.204:38610',
    ],
    [
      'with its source translated',
      { ...DIRECT, snat: SNAT },
      '10.244.153.204:38610 > 10.244.153.201:80',
      '10.244.153.201:80 > 192.168.100.111:61001',
    ],
    [
      'with both translated',
      { ...DNAT, snat: SNAT },
      '10.244.153.204:38610 > 10.107.161.255:8080',
      '10.244.153.201:80 > 192.168.100.111:61001',
    ],
    [
      'of a pod to itself through its service',
      { ...DNAT, to: AT_POD1, dnat: { dst: ADDRESSES.pod1, dport: 80 }, snat: SNAT },
      '10.244.153.204:38610 > 10.107.161.255:8080',
      '10.244.153.204:80 > 192.168.100.111:61001',
    ],
    [
      'to the other node, translated and in a tunnel',
      {
        ...DNAT,
        to: AT_POD3,
        dnat: { dst: ADDRESSES.pod3, dport: 80 },
        snat: { src: ADDRESSES.tunnel111, sport: 61001 },
        tunnelled: true,
      },
      '10.244.153.204:38610 > 10.107.161.255:8080',
      '10.244.146.205:80 > 10.244.153.192:61001',
    ],
  ];

  test.each(CASES)('%s', (_name, plan, original, reply) => {
    for (const ctAddress of [undefined, 0xffff_8880_1000_5a00n]) {
      const tape = new Tape();
      talk(new Connection(tape, { ...plan, ...(ctAddress === undefined ? {} : { ctAddress }) }));
      const flow = onlyFlow(new Joining().end(tape));
      expect(text(flow.original)).toBe(original);
      expect(text(flow.reply)).toBe(reply);
      expect(flow.state).toBe('active');
      const [forward, backward] = ways(flow);
      expect([forward.packets, forward.bytes]).toEqual([3, 40 + 40 + 140]);
      expect([backward.packets, backward.bytes]).toEqual([2, 40 + 440]);
      expect(flow.lastVerdict).toBe('delivered');
    }
  });

  test('first seen by an answer: conntrack says who began', () => {
    const tape = new Tape();
    const connection = new Connection(tape, { ...DNAT, ctAddress: 0xffff_8880_1000_5a00n });
    connection.send('reply', { id: 77, seq: 5001, flags: 'P.', payload: 400 });
    connection.send('original', { id: 3, seq: 1101, flags: '.' });
    const flow = onlyFlow(new Joining().end(tape));
    expect(text(flow.original)).toBe('10.244.153.204:38610 > 10.107.161.255:8080');
    expect(text(flow.reply)).toBe('10.244.153.201:80 > 10.244.153.204:38610');
    expect(ways(flow).map(({ packets }) => packets)).toEqual([1, 1]);
  });

  test('first seen by SYN and ACK, with no entry to ask', () => {
    const tape = new Tape();
    const connection = new Connection(tape, DNAT);
    connection.send('reply', { id: 0, seq: 5000, flags: 'S.' });
    connection.send('original', { id: 2, seq: 1001, flags: '.' });
    const flow = onlyFlow(new Joining().end(tape));
    expect(text(flow.original)).toBe('10.244.153.204:38610 > 10.107.161.255:8080');
    expect(ways(flow).map(({ packets }) => packets)).toEqual([1, 1]);
  });

  test('first seen in its middle: the direction seen first is taken for the original', () => {
    const tape = new Tape();
    const connection = new Connection(tape, DNAT);
    connection.send('original', { id: 9, seq: 1101, flags: 'P.', payload: 10 });
    connection.send('reply', { id: 78, seq: 5401, flags: '.' });
    const flow = onlyFlow(new Joining().end(tape));
    expect(text(flow.original)).toBe('10.244.153.204:38610 > 10.107.161.255:8080');
    expect(ways(flow).map(({ packets, bytes }) => [packets, bytes])).toEqual([
      [1, 50],
      [1, 40],
    ]);
    expect(flow.state).toBe('active');
  });

  test('an echo and its answer', () => {
    const tape = new Tape();
    const echo = { proto: 'icmp', icmpId: 5, icmpSeq: 1, payload: 56 } as const;
    tape
      .packet({ ...echo, src: ADDRESSES.pod1, dst: ADDRESSES.pod2, id: 1 })
      .cross(POD1_ETH0, CALI1)
      .cross(CALI2, POD2_ETH0)
      .hook(POD2_ETH0, 'input');
    tape
      .packet({ ...echo, icmpType: 0, src: ADDRESSES.pod2, dst: ADDRESSES.pod1, id: 2 })
      .cross(POD2_ETH0, CALI2)
      .cross(CALI1, POD1_ETH0)
      .hook(POD1_ETH0, 'input');
    const flow = onlyFlow(new Joining().end(tape));
    expect(flow.original).toMatchObject({ src: ADDRESSES.pod1, icmpId: 5 });
    expect(ways(flow).map(({ packets, bytes }) => [packets, bytes])).toEqual([
      [1, 84],
      [1, 84],
    ]);
  });

  test('an echo reply seen before its request, with no entry to ask', () => {
    const tape = new Tape();
    tape
      .packet({
        proto: 'icmp',
        icmpType: 0,
        icmpId: 5,
        src: ADDRESSES.pod2,
        dst: ADDRESSES.pod1,
      })
      .cross(CALI1, POD1_ETH0);
    const flow = onlyFlow(new Joining().end(tape));
    expect(flow.original.src).toBe(ADDRESSES.pod1);
    expect(ways(flow).map(({ packets }) => packets)).toEqual([0, 1]);
  });
});

describe('what belongs together and what does not', () => {
  test('equal addresses in namespaces that no packet connects: two flows', () => {
    const tape = new Tape();
    const packet = {
      proto: 'udp',
      src: ADDRESSES.pod1,
      dst: ADDRESSES.pod2,
      sport: 1000,
      dport: 53,
      payload: 8,
    } as const;
    tape
      .packet({ ...packet, id: 1 })
      .egress(POD1_ETH0)
      .ingress(CALI1);
    tape.packet({ ...packet, id: 2 }).egress(ELSEWHERE_ETH0);
    tape
      .packet({ ...packet, id: 3 })
      .egress(POD1_ETH0)
      .ingress(CALI1);
    const flows = new Joining().end(tape).allFlows();
    expect(flows.map((flow) => ways(flow)[0].packets)).toEqual([1, 2]);
    expect(new Set(flows.map((flow) => flow.id)).size).toBe(2);
  });

  test('a closed connection’s ports used again: another flow', () => {
    const tape = new Tape();
    const connection = new Connection(tape, DNAT);
    const joining = new Joining();
    talk(connection);
    connection.send('original', { id: 20, seq: 1101, flags: 'F.' });
    connection.send('reply', { id: 90, seq: 5401, flags: 'F.' });
    connection.send('original', { id: 21, seq: 1102, flags: '.' });
    tape.wait(2 * SECOND);
    joining.sweep(tape);
    const first = onlyFlow(joining);
    expect(first.state).toBe('closed');
    talk(connection, 50);
    joining.end(tape);
    const flows = joining.allFlows();
    expect(flows).toHaveLength(2);
    expect(flows[0]).toBe(first);
    expect(flows.map((flow) => ways(flow).map(({ packets }) => packets))).toEqual([
      [5, 3],
      [3, 2],
    ]);
    expect(nth(flows, 1).state).toBe('active');
  });

  test('a translated port used again for another client: another flow', () => {
    const tape = new Tape();
    const joining = new Joining();
    const snat = { src: ADDRESSES.node111, sport: 61001 };
    const first = { ...DNAT, proto: 'udp', snat } as const;
    new Connection(tape, first).send('original', { id: 1, payload: 8 });
    joining.end(tape);
    // The entry timed out and its port went to somebody else while the flow is kept.
    new Connection(tape, { ...first, sport: 40000 }).send('original', { id: 2, payload: 8 });
    new Connection(tape, { ...first, sport: 40000 }).send('reply', { id: 3, payload: 80 });
    joining.end(tape);
    const flows = joining.allFlows();
    expect(flows.map((flow) => [flow.original.sport, ...ways(flow).map((d) => d.packets)])).toEqual(
      [
        [38610, 1, 0],
        [40000, 1, 1],
      ],
    );
  });

  test('a packet whose beginning was lost stays with its flow', () => {
    const tape = new Tape();
    const connection = new Connection(tape, DNAT);
    talk(connection);
    tape
      .packet({
        proto: 'tcp',
        src: ADDRESSES.pod1,
        dst: ADDRESSES.pod2,
        sport: 38610,
        dport: 80,
        id: 500,
        seq: 9999,
      })
      .egress(CALI2)
      .ingress(POD2_ETH0);
    const flow = onlyFlow(new Joining().end(tape));
    expect(ways(flow)[0].packets).toBe(4);
    expect(text(flow.original)).toBe('10.244.153.204:38610 > 10.107.161.255:8080');
  });

  test('ARP belongs to no flow, and is counted', () => {
    const tape = new Tape();
    tape
      .packet({ proto: 'udp', src: '0.0.0.0', dst: '0.0.0.0' })
      .set({
        arp: { op: 1, senderMac: '32:21:45:c4:c5:d5', senderIp: '10.0.0.1', targetIp: '10.0.0.2' },
      })
      .egress(POD1_ETH0);
    const joining = new Joining().end(tape);
    expect(joining.allFlows()).toEqual([]);
    expect(joining.flows.counters.unassigned).toBe(1);
    expect(nth(joining.finished, 0).flow).toBeNull();
  });

  test('an ICMP error goes to the flow it complains about and is none of its packets', () => {
    const tape = new Tape();
    const connection = new Connection(tape, DIRECT);
    const large = connection.send('original', { id: 5, seq: 1, payload: 1400, dontFragment: true });
    tape
      .packet({
        proto: 'icmp',
        src: ADDRESSES.node111,
        dst: ADDRESSES.pod1,
        icmpType: 3,
        icmpCode: 4,
        icmpMtu: 1400,
        quoted: large.packet,
      })
      .cross(CALI1, POD1_ETH0)
      .hook(POD1_ETH0, 'input');
    const joining = new Joining().end(tape);
    const flow = onlyFlow(joining);
    expect(ways(flow).map(({ packets }) => packets)).toEqual([1, 0]);
    expect(mtuSeen(flow).icmpTooBigSeen).toBe(true);
    expect(nth(joining.finished, 1)).toMatchObject({ flow, direction: 1, verdict: 'delivered' });
  });

  test('an ICMP error about nothing known makes no flow', () => {
    const tape = new Tape();
    tape
      .packet({
        proto: 'icmp',
        src: ADDRESSES.node111,
        dst: ADDRESSES.pod1,
        icmpType: 3,
        quoted: { proto: 'udp', src: ADDRESSES.pod1, dst: '192.0.2.1', sport: 9, dport: 9 },
      })
      .cross(CALI1, POD1_ETH0);
    const joining = new Joining().end(tape);
    expect(joining.allFlows()).toEqual([]);
    expect(joining.flows.counters.unassigned).toBe(1);
  });
});

describe('drops', () => {
  test('and what was sent again after them are one flow, with the reason counted', () => {
    const tape = new Tape();
    const head = tape.address();
    for (const id of [1, 2, 3]) {
      tape
        .packet(
          {
            proto: 'tcp',
            src: ADDRESSES.pod1,
            dst: ADDRESSES.pod2,
            sport: 9,
            dport: 80,
            id,
            flags: 'S',
          },
          { head },
        )
        .hook(POD1_ETH0, 'output')
        .cross(POD1_ETH0, CALI1)
        .hook(CALI2, 'forward', [-151, -1])
        .drop(CALI1, REASONS.NETFILTER_DROP);
      tape.wait(id * SECOND);
    }
    const flow = onlyFlow(new Joining().end(tape));
    expect(ways(flow)[0]).toMatchObject({ packets: 3, bytes: 120, drops: 3 });
    expect([...flow.reasons]).toEqual([[REASONS.NETFILTER_DROP, 3]]);
    expect(flow.lastVerdict).toBe('dropped');
    expect(flow.state).toBe('new');
    expect(ways(flow)[0].latency.count).toBe(0);
  });

  test('for being larger than the MTU are remembered as such', () => {
    const tape = new Tape();
    tape
      .packet({
        proto: 'udp',
        src: ADDRESSES.pod1,
        dst: ADDRESSES.pod2,
        sport: 9,
        dport: 9,
        payload: 1400,
      })
      .egress(POD1_ETH0)
      .drop(CALI1, REASONS.PKT_TOO_BIG);
    expect(mtuSeen(onlyFlow(new Joining().end(tape))).blackholeSeen).toBe(true);
  });
});

describe('legs', () => {
  test('are the places in order, each with its packets, bytes and the time since the one before', () => {
    const tape = new Tape();
    const connection = new Connection(tape, DNAT);
    connection.send('original', { id: 1, seq: 1, payload: 60 });
    connection.send('original', { id: 2, seq: 61, payload: 160 });
    const [forward, backward] = ways(onlyFlow(new Joining().end(tape)));
    expect(backward.legs).toEqual([]);
    expect(forward.legs.map((leg) => [leg.device.name, leg.stage, leg.hook])).toEqual([
      ['eth0', 3, 3],
      ['eth0', 3, 4],
      ['eth0', 1, 255],
      ['calice0906292e2', 2, 255],
      ['calice0906292e2', 3, 0],
      ['calibd2348b4f67', 3, 2],
      ['calibd2348b4f67', 3, 4],
      ['calibd2348b4f67', 1, 255],
      ['eth0', 2, 255],
      ['eth0', 3, 0],
      ['eth0', 3, 1],
    ]);
    for (const leg of forward.legs) {
      expect([leg.packets, leg.bytes]).toEqual([2, 300]);
    }
    expect(nth(forward.legs, 0).latency).toBeNull();
    // From POSTROUTING's first place to leaving: three places of 1 µs.
    const egress = nth(forward.legs, 2).latency;
    expect([egress?.count, egress?.max]).toEqual([2, 3_000]);
    expect(forward.latency.count).toBe(2);
  });

  test('a packet that leaves places out finds its legs again', () => {
    const tape = new Tape();
    const connection = new Connection(tape, DIRECT);
    connection.send('original', { id: 1, seq: 1 });
    tape
      .packet({ ...DIRECT, proto: 'tcp', id: 2, seq: 2 })
      .egress(POD1_ETH0)
      .ingress(CALI1)
      .egress(CALI2)
      .ingress(POD2_ETH0);
    const [forward] = ways(onlyFlow(new Joining().end(tape)));
    expect(forward.legs).toHaveLength(11);
    const devices = forward.legs.filter((leg) => leg.stage < 3);
    expect(devices.map((leg) => leg.packets)).toEqual([2, 2, 2, 2]);
  });

  test('past their limit are refused and counted, the packets are not', () => {
    const tape = new Tape();
    const joining = new Joining();
    for (let batch = 0; batch <= LEG_LIMIT; batch += 1) {
      tape
        .packet({
          proto: 'udp',
          src: '10.0.0.1',
          dst: '10.0.0.2',
          sport: 1,
          dport: 2,
          id: batch + 1,
        })
        .egress({ ...POD1_ETH0, ifindex: 100 + batch });
    }
    const flow = onlyFlow(joining.end(tape));
    expect(ways(flow)[0].legs).toHaveLength(LEG_LIMIT);
    expect(ways(flow)[0].packets).toBe(LEG_LIMIT + 1);
    expect(joining.flows.counters.legsRefused).toBe(1);
  });
});

describe('encapsulation and MTU', () => {
  test('each tunnel once, and the room that it leaves', () => {
    const tape = new Tape();
    const plan = { ...DIRECT, dst: ADDRESSES.pod3, to: AT_POD3, tunnelled: true };
    talk(new Connection(tape, plan));
    const flow = onlyFlow(new Joining().end(tape));
    expect(flow.encapsulations).toEqual([
      {
        type: 2,
        src: ADDRESSES.node111,
        dst: ADDRESSES.node112,
        vni: 4096,
        greKey: -1,
        overhead: 50,
      },
      {
        type: 2,
        src: ADDRESSES.node112,
        dst: ADDRESSES.node111,
        vni: 4096,
        greKey: -1,
        overhead: 50,
      },
    ]);
    expect(flow.pathMtu).toBe(1450);
    expect(flow.largest).toBe(440);
  });

  test('a packet seen only in fragments has the bytes of all of them', () => {
    const tape = new Tape();
    const whole = {
      proto: 'udp',
      src: '10.0.0.1',
      dst: '10.0.0.2',
      sport: 1,
      dport: 2,
      id: 9,
    } as const;
    tape.packet({ ...whole, payload: 1472, moreFragments: true }).cross(ENS111, ENS112);
    tape
      .packet({ ...whole, payload: 1480, fragmentOffset: 1480, moreFragments: true })
      .cross(ENS111, ENS112);
    tape.packet({ ...whole, payload: 48, fragmentOffset: 2960 }).cross(ENS111, ENS112);
    const flow = onlyFlow(new Joining().end(tape));
    expect(ways(flow)[0]).toMatchObject({ packets: 1, bytes: 20 + 8 + 3000 });
    expect(mtuSeen(flow).fragmentsSeen).toBe(true);
  });
});

describe('states', () => {
  const states = (...packets: readonly (readonly ['original' | 'reply', string])[]): string[] => {
    const tape = new Tape();
    const joining = new Joining();
    const connection = new Connection(tape, DIRECT);
    return packets.map(([way, flags], index) => {
      connection.send(way, { id: index + 1, seq: index, flags });
      return onlyFlow(joining.end(tape)).state;
    });
  };

  test('opened and closed by both sides', () => {
    expect(
      states(
        ['original', 'S'],
        ['reply', 'S.'],
        ['original', 'P.'],
        ['original', 'F.'],
        ['reply', '.'],
        ['reply', 'F.'],
        ['original', '.'],
      ),
    ).toEqual(['new', 'active', 'active', 'closing', 'closing', 'closed', 'closed']);
  });

  test('one side closing twice closes nothing', () => {
    expect(
      states(['original', 'S'], ['reply', 'S.'], ['original', 'F.'], ['original', 'F.']),
    ).toEqual(['new', 'active', 'closing', 'closing']);
  });

  test('reset by either side', () => {
    expect(states(['original', 'S'], ['reply', 'R.'])).toEqual(['new', 'closed']);
    expect(states(['original', 'S'], ['reply', 'S.'], ['original', 'R'])).toEqual([
      'new',
      'active',
      'closed',
    ]);
  });
});

describe('age', () => {
  const CASES: readonly (readonly [
    string,
    number,
    readonly (readonly ['original' | 'reply', string])[],
  ])[] = [
    [
      'closed',
      10,
      [
        ['original', 'S'],
        ['reply', 'R.'],
      ],
    ],
    [
      'closing',
      60,
      [
        ['original', 'S'],
        ['reply', 'S.'],
        ['original', 'F.'],
      ],
    ],
    ['new', 120, [['original', 'S']]],
    [
      'active',
      600,
      [
        ['original', 'S'],
        ['reply', 'S.'],
      ],
    ],
  ];

  test.each(CASES)('a %s TCP flow goes after %d s', (state, seconds, packets) => {
    const tape = new Tape();
    const joining = new Joining();
    const connection = new Connection(tape, DIRECT);
    packets.forEach(([way, flags], index) => {
      connection.send(way, { id: index + 1, seq: index, flags });
    });
    const flow = onlyFlow(joining.end(tape));
    expect(flow.state).toBe(state);
    joining.flows.expireIdle(flow.last + seconds * SECOND);
    expect(joining.flows.size).toBe(1);
    joining.flows.expireIdle(flow.last + seconds * SECOND + 1);
    expect(joining.flows.size).toBe(0);
    expect(joining.flows.counters).toMatchObject({ expired: 1, evicted: 0 });
    expect(joining.removed).toEqual([flow]);
  });

  test('others go after 60 s, and their tuples are free again', () => {
    const tape = new Tape();
    const joining = new Joining();
    const plan = { ...DIRECT, proto: 'udp' } as const;
    new Connection(tape, plan).send('original', { id: 1, payload: 8 });
    const flow = onlyFlow(joining.end(tape));
    joining.flows.expireIdle(flow.last + 60 * SECOND + 1);
    expect(joining.flows.size).toBe(0);
    expect(joining.joiner.tuples.held).toBe(0);
    tape.wait(61 * SECOND);
    new Connection(tape, plan).send('original', { id: 2, payload: 8 });
    expect(onlyFlow(joining.end(tape)).id).not.toBe(flow.id);
  });

  test('an old flow goes though younger ones are kept, and a young one after old ones is found', () => {
    const tape = new Tape();
    const joining = new Joining();
    const flowOf = (sport: number, flags: string): void => {
      new Connection(tape, { ...DIRECT, sport }).send('original', { id: sport, flags });
      joining.end(tape);
    };
    flowOf(1, 'S');
    tape.wait(20 * SECOND);
    flowOf(2, 'R');
    tape.wait(11 * SECOND);
    flowOf(3, 'S');
    joining.flows.expireIdle(tape.now);
    expect(joining.removed.map((flow) => flow.original.sport)).toEqual([2]);
    expect(joining.allFlows().map((flow) => flow.original.sport)).toEqual([1, 3]);
  });
});

/** Paths made by hand, for tests that need very many. */
class Many {
  readonly #maker = new PathMaker();
  readonly tuples = this.#maker.tuples;

  path(sport: number): Path {
    const ends = { src: '10.0.0.1', dst: '10.0.0.2', sport: sport & 0xffff, dport: sport >>> 16 };
    const tuple = this.#maker.tuple(ends, 'udp');
    return this.#maker.path([this.#maker.egress(POD1_ETH0, tuple)], { proto: 'udp' });
  }
}

describe('limits', () => {
  test('one flow past the limit: the one longest without a packet goes, counted', () => {
    const many = new Many();
    const removed: string[] = [];
    const table = new FlowTable(many.tuples, {
      limit: 3,
      onRemove: (flow) => removed.push(flow.id),
    });
    const ids = [1, 2, 3].map((sport) => table.add(many.path(sport)).flow?.id ?? '');
    table.add(many.path(1));
    expect(table.counters.evicted).toBe(0);
    table.add(many.path(4));
    expect(removed).toEqual([ids[1]]);
    expect(table.counters.evicted).toBe(1);
    expect(table.size).toBe(3);
    expect(table.get(ids[1] ?? '')).toBeUndefined();
    // Its tuple is nobody's now.
    expect(table.add(many.path(2)).flow?.id).not.toBe(ids[1]);
  });

  test('of one flow the newest paths are kept', () => {
    const many = new Many();
    const table = new FlowTable(many.tuples);
    const all = Array.from({ length: RECENT_PATHS_PER_FLOW + 1 }, () => table.add(many.path(1)));
    expect(table.recentPaths(all[0]?.flow as Flow)).toEqual(all.slice(1));
  });

  test('a busy flow pushes out its own paths only', () => {
    const many = new Many();
    const table = new FlowTable(many.tuples);
    const quiet = table.add(many.path(1));
    for (let i = 0; i < 2 * RECENT_PATH_LIMIT; i++) {
      table.add(many.path(2));
    }
    expect(table.recentPaths(quiet.flow as Flow)).toEqual([quiet]);
  });

  test('over all flows so many paths are kept, the oldest go first', () => {
    const many = new Many();
    const table = new FlowTable(many.tuples);
    const first = table.add(many.path(0));
    const second = table.add(many.path(1));
    for (let i = 2; i < RECENT_PATH_LIMIT; i++) {
      table.add(many.path(i));
    }
    expect(table.recentPaths(first.flow as Flow)).toEqual([first]);
    table.add(many.path(RECENT_PATH_LIMIT));
    expect(table.recentPaths(first.flow as Flow)).toEqual([]);
    expect(table.recentPaths(second.flow as Flow)).toEqual([second]);
  });
});

describe('what readers ask', () => {
  test('what changed since, oldest change first, and what went', () => {
    const many = new Many();
    const table = new FlowTable(many.tuples, { limit: 2 });
    const first = table.add(many.path(1)).flow;
    const afterFirst = table.version;
    const second = table.add(many.path(2)).flow;
    expect(table.changedSince(0)).toEqual([first, second]);
    expect(table.changedSince(afterFirst)).toEqual([second]);
    table.add(many.path(1));
    expect(table.changedSince(0)).toEqual([second, first]);
    expect(table.changedSince(table.version)).toEqual([]);
    const before = table.version;
    table.add(many.path(3));
    expect(table.removedSince(before)).toEqual([second?.id]);
    expect(table.removedSince(table.version)).toEqual([]);
    expect(table.removedSince(0)).toEqual([second?.id]);
  });

  test('what went too long ago to know is null, never an incomplete list', () => {
    const many = new Many();
    const removedLimit = 100;
    const table = new FlowTable(many.tuples, { limit: 1, removedLimit });
    table.add(many.path(0));
    const start = table.version;
    for (let sport = 1; sport <= removedLimit; sport++) {
      table.add(many.path(sport));
    }
    expect(table.removedSince(start)).toHaveLength(removedLimit);
    const recently = table.version;
    table.add(many.path(removedLimit + 1));
    expect(table.removedSince(start)).toBeNull();
    expect(table.removedSince(0)).toBeNull();
    expect(table.removedSince(recently)).toHaveLength(1);
  });

  test('equal packets at equal times have equal ids', () => {
    const ids = [0, 1].map(() => {
      const tape = new Tape();
      talk(new Connection(tape, DNAT));
      return onlyFlow(new Joining().end(tape)).id;
    });
    expect(ids[0]).toMatch(/^[0-9a-f]{16}$/u);
    expect(ids[0]).toBe(ids[1]);
  });
});
