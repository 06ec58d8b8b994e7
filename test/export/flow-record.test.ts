import { describe, expect, it } from 'vitest';
import { flowRecord } from '../../src/export/flow-record.js';
import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import { Names } from '../../src/name/names.js';
import { Epoch } from '../../src/wire/clock.js';
import { CLUSTER, TAPE_WALL_CLOCK } from '../fixtures/catalog.js';
import {
  AT_POD1,
  AT_POD2,
  AT_POD3,
  Connection,
  type ConnectionPlan,
} from '../fixtures/connection.js';
import { flowFaults } from '../fixtures/contract.js';
import { Joining, nth, REASONS } from '../fixtures/joined.js';
import { ADDRESSES, CALI1, CALI2, POD1_ETH0, POD2_ETH0 } from '../fixtures/places.js';
import { TAPE_START, Tape } from '../fixtures/tape.js';
import { onlyRecordedFlow, recorded } from './recorded.js';

const SERVICE: ConnectionPlan = {
  proto: 'tcp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.service,
  sport: 38610,
  dport: 8080,
  dnat: { dst: ADDRESSES.pod3, dport: 80 },
  from: AT_POD1,
  to: AT_POD3,
  tunnelled: true,
  ctAddress: 0x5000n,
};

function talk(tape: Tape, plan: ConnectionPlan): Tape {
  const connection = new Connection(tape, plan);
  connection.send('original', { id: 1, seq: 1000, flags: 'S' });
  connection.send('reply', { id: 2, seq: 5000, ack: 1001, flags: 'S.' });
  connection.send('original', { id: 3, seq: 1001, ack: 5001, payload: 100, flags: 'P.' });
  return tape;
}

describe('a connection to a service whose endpoint is on the other node', () => {
  const flow = onlyRecordedFlow(talk(new Tape(), SERVICE));

  it('is as agreed, key for key', () => {
    expect(flowFaults(JSON.stringify(flow))).toEqual([]);
  });

  it('is reported as it was asked for, and as it was answered', () => {
    const { original, reply, nat, src, dst, service } = flow;
    const none = { icmp: null };
    expect({ original, reply, nat, src, dst, service }).toEqual({
      original: {
        ...{ proto: 'tcp', src: ADDRESSES.pod1, dst: ADDRESSES.service, sport: 38610, dport: 8080 },
        ...none,
      },
      reply: {
        ...{ proto: 'tcp', src: ADDRESSES.pod3, dst: ADDRESSES.pod1, sport: 80, dport: 38610 },
        ...none,
      },
      nat: { dnat: { dst: ADDRESSES.pod3, dport: 80 }, snat: null },
      src: { name: 'pod1', kind: 'pod', node: 'node111' },
      dst: { name: 'pod3', kind: 'pod', node: 'node112' },
      service: 'default/nginx-service',
    });
  });

  it('counts each packet once, in bytes of the innermost packet', () => {
    expect(flow.packets).toEqual({ original: '2', reply: '1' });
    // Headers of 20 and 20 bytes; the fixture's SYN has no options.
    const bytes = { original: Number(flow.bytes.original), reply: Number(flow.bytes.reply) };
    expect(bytes).toEqual({ original: 40 + 140, reply: 40 });
    expect(flow.sampled).toEqual({ paths: '3', of: '3' });
    expect(flow.lost).toBe('0');
  });

  it('has its tunnel both ways', () => {
    const tunnel = { type: 'vxlan', vni: 4096, overhead: 50 };
    expect(flow.encapsulation).toEqual([
      { ...tunnel, src: ADDRESSES.node111, dst: ADDRESSES.node112 },
      { ...tunnel, src: ADDRESSES.node112, dst: ADDRESSES.node111 },
    ]);
  });

  it('has its legs in order, with the time since the one before', () => {
    const there = flow.legs.filter(({ direction }) => direction === 'original');
    expect(there[0]).toMatchObject({
      netns: 'pod1',
      dev: 'eth0',
      stage: 'netfilter',
      hook: 'output',
    });
    expect(there.map(({ packets }) => packets)).toEqual(there.map(() => '2'));
    expect(there[0]?.latencyNs).toBeNull();
    for (const { latencyNs } of there.slice(1)) expect(latencyNs?.count).toBe('2');
    const devices = there.filter(({ stage }) => stage === 'egress' || stage === 'ingress');
    expect(devices.map(({ netns, dev, stage }) => `${netns}/${dev} ${stage}`)).toEqual([
      'pod1/eth0 egress',
      'node111/calice0906292e2 ingress',
      'node111/vxlan.calico egress',
      'node111/ens10 egress',
      'node112/ens10 ingress',
      'node112/vxlan.calico ingress',
      'node112/cali118af4ccd16 egress',
      'pod3/eth0 ingress',
    ]);
  });

  it('has times of the wall clock', () => {
    expect(flow.start).toBe(String(TAPE_WALL_CLOCK));
    expect(BigInt(flow.last)).toBeGreaterThan(TAPE_WALL_CLOCK);
  });

  it('fits its path', () => {
    expect(flow.mtu).toMatchObject({ path: 1450, largest: 140, verdict: 'fits' });
  });
});

it('reports source translation', () => {
  const flow = onlyRecordedFlow(
    talk(new Tape(), {
      ...SERVICE,
      snat: { src: ADDRESSES.tunnel111, sport: 61000 },
    }),
  );
  expect(flowFaults(JSON.stringify(flow))).toEqual([]);
  expect(flow.nat.snat).toEqual({ src: ADDRESSES.tunnel111, sport: 61000 });
  expect(flow.reply).toMatchObject({ dst: ADDRESSES.tunnel111, dport: 61000 });
  expect(flow.original).toMatchObject({ src: ADDRESSES.pod1, sport: 38610 });
});

it('says nothing of translation where there is none', () => {
  const flow = onlyRecordedFlow(
    talk(new Tape(), {
      ...{ proto: 'tcp', src: ADDRESSES.pod1, dst: ADDRESSES.pod2, sport: 38610, dport: 80 },
      ...{ from: AT_POD1, to: AT_POD2 },
    }),
  );
  expect(flowFaults(JSON.stringify(flow))).toEqual([]);
  expect(flow.nat).toEqual({ dnat: null, snat: null });
  expect(flow).toMatchObject({ service: null, encapsulation: [], verdict: flow.verdict });
});

it('of a ping has its identifier and both types, and no ports', () => {
  const tape = new Tape();
  const ping = { proto: 'icmp', icmpId: 77, icmpSeq: 1, payload: 56 } as const;
  tape
    .packet({ ...ping, src: ADDRESSES.pod1, dst: ADDRESSES.pod2, id: 1 })
    .egress(POD1_ETH0)
    .ingress(CALI1)
    .egress(CALI2)
    .ingress(POD2_ETH0);
  tape
    .packet({ ...ping, src: ADDRESSES.pod2, dst: ADDRESSES.pod1, icmpType: 0, id: 2 })
    .egress(POD2_ETH0);
  const flow = onlyRecordedFlow(tape);
  expect(flowFaults(JSON.stringify(flow))).toEqual([]);
  expect(flow.original).toEqual({
    ...{ proto: 'icmp', src: ADDRESSES.pod1, dst: ADDRESSES.pod2, sport: null, dport: null },
    icmp: { type: 8, code: 0, id: 77, seq: null },
  });
  expect(flow.reply?.icmp).toEqual({ type: 0, code: 0, id: 77, seq: null });
  expect(flow.nat).toEqual({ dnat: null, snat: null });
});

it('of a message with a code of all ones has that code', () => {
  const tape = new Tape();
  const { pod1: src, pod2: dst } = ADDRESSES;
  tape.packet({ proto: 'icmp', icmpType: 8, icmpCode: 255, src, dst }).egress(POD1_ETH0);
  const flow = onlyRecordedFlow(tape);
  expect(flowFaults(JSON.stringify(flow))).toEqual([]);
  expect(flow.original.icmp?.code).toBe(255);
});

it('counts drops by reason and direction', () => {
  const tape = new Tape();
  for (const id of [1, 2]) {
    tape
      .packet({
        ...{ proto: 'udp', src: ADDRESSES.pod1, dst: ADDRESSES.pod2, sport: 5000, dport: 53, id },
      })
      .egress(POD1_ETH0)
      .ingress(CALI1)
      .drop(null, id === 1 ? REASONS.NETFILTER_DROP : 777);
  }
  const flow = onlyRecordedFlow(tape);
  expect(flowFaults(JSON.stringify(flow))).toEqual([]);
  expect(flow.drops).toEqual({
    original: '2',
    reply: '0',
    reasons: { NETFILTER_DROP: '1', REASON_777: '1' },
  });
  expect(flow).toMatchObject({ verdict: 'dropped' });
});

it('of IPv6 has addresses in their usual form', () => {
  const tape = new Tape();
  tape
    .packet({
      ...{ proto: 'udp', src: ADDRESSES.pod1V6, dst: ADDRESSES.pod2V6, sport: 5000, dport: 53 },
    })
    .egress(POD1_ETH0);
  const flow = onlyRecordedFlow(tape);
  expect(flowFaults(JSON.stringify(flow))).toEqual([]);
  expect(flow.original).toMatchObject({ src: ADDRESSES.pod1V6, dst: ADDRESSES.pod2V6 });
});

it('has null for all that is not known', () => {
  const catalog = { ...EMPTY_CATALOG, clockOffsetNs: CLUSTER.clockOffsetNs };
  const flow = nth(recorded(talk(new Tape(), SERVICE), catalog).flows, 0);
  expect(flowFaults(JSON.stringify(flow))).toEqual([]);
  const nobody = { name: null, kind: null, node: null };
  expect(flow).toMatchObject({ src: nobody, dst: nobody, service: null });
  expect(flow.legs.map(({ node }) => node)).toEqual(flow.legs.map(() => null));
});

it('takes another state for one that went by age', () => {
  const joining = new Joining().end(talk(new Tape(), SERVICE));
  const flow = nth(joining.allFlows(), 0);
  const names = new Names(CLUSTER);
  expect(flowRecord(flow, names, new Epoch(TAPE_START)).state).toBe('active');
  expect(flowRecord(flow, names, new Epoch(TAPE_START), { state: 'expired' }).state).toBe(
    'expired',
  );
});
