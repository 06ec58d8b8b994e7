import { describe, expect, it } from 'vitest';
import { pathText } from '../../src/export/path-text.js';
import { type Catalog, EMPTY_CATALOG } from '../../src/name/catalog.js';
import { CLUSTER, TAPE_WALL_CLOCK } from '../fixtures/catalog.js';
import { AT_POD1, AT_POD3, Connection } from '../fixtures/connection.js';
import { pathFaults } from '../fixtures/contract.js';
import { nth, REASONS } from '../fixtures/joined.js';
import {
  ADDRESSES,
  CALI1,
  ENS111,
  ENS112,
  MACS,
  NETNS,
  NIC111,
  POD1_ETH0,
  POD2_ETH0,
  TUNL111,
} from '../fixtures/places.js';
import { type Journey, STEP_NS, Tape } from '../fixtures/tape.js';
import { DROP_FUNCTION, DROP_LOCATION, onlyRecordedPath, recorded } from './recorded.js';

const ECHO = {
  proto: 'icmp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.pod3,
  icmpId: 56616,
  icmpSeq: 1,
  id: 4711,
  payload: 56,
} as const;
const FROM_POD = { src: MACS.pod1, dst: MACS.hostSide };

function echo(tape: Tape): Journey {
  return tape.packet(ECHO).set({ link: FROM_POD });
}

/** Out of the pod and through an IPIP tunnel to the other node. */
function tunnelled(tape: Tape): Journey {
  return echo(tape)
    .egress({ ...POD1_ETH0, mtu: 1480 })
    .change({ ttl: 63 })
    .set({
      tunnel: { type: 'ipip', src: ADDRESSES.node111, dst: ADDRESSES.node112 },
      link: { src: MACS.node111, dst: MACS.node112 },
      ctInfo: 'new',
      mark: 0x4000,
    })
    .wait(8_120)
    .egress(ENS111);
}

const TUPLE = {
  proto: 'icmp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.pod3,
  sport: null,
  dport: null,
  icmp: { type: 8, code: 0, id: 56616, seq: 1 },
};

it('has every hop as agreed, key for key', () => {
  const tape = new Tape();
  tunnelled(tape).ingress(ENS112);
  const path = onlyRecordedPath(tape);
  expect(pathFaults(JSON.stringify(path))).toEqual([]);
  expect(path.start).toBe(String(TAPE_WALL_CLOCK));
  const [first, second] = path.hops;
  expect(first).toEqual({
    node: 'node111',
    netns: 'pod1',
    dev: 'eth0',
    ifindex: 2,
    kind: 'veth',
    stage: 'egress',
    hook: null,
    priority: null,
    len: 98,
    mtu: 1480,
    gso: null,
    mac: FROM_POD,
    vlan: null,
    outer: null,
    tuple: TUPLE,
    ttl: 64,
    ipId: 4711,
    fragment: null,
    tcp: null,
    mark: '0x0',
    ct: null,
    sincePrevNs: null,
  });
  expect(second).toEqual({
    node: 'node111',
    netns: 'node111',
    dev: 'ens10',
    ifindex: 2,
    kind: 'veth',
    stage: 'egress',
    hook: null,
    priority: null,
    len: 118,
    mtu: 1500,
    gso: null,
    mac: { src: MACS.node111, dst: MACS.node112 },
    vlan: null,
    outer: {
      type: 'ipip',
      src: ADDRESSES.node111,
      dst: ADDRESSES.node112,
      sport: null,
      dport: null,
      vni: null,
      overhead: 20,
    },
    tuple: TUPLE,
    ttl: 63,
    ipId: 4711,
    fragment: null,
    tcp: null,
    mark: '0x4000',
    ct: { state: 'new', zone: 0, reply: false },
    sincePrevNs: 8_120 + STEP_NS,
  });
});

it('has ports and what a SYN says', () => {
  const tape = new Tape();
  tape
    .packet({
      ...{ proto: 'tcp', src: ADDRESSES.pod1, dst: ADDRESSES.pod2, sport: 38610, dport: 80 },
      ...{ flags: 'S', seq: 4_294_967_295, mss: 1410, windowScale: 7 },
    })
    .egress(POD1_ETH0);
  const path = onlyRecordedPath(tape);
  expect(pathFaults(JSON.stringify(path))).toEqual([]);
  expect(path.hops[0]).toMatchObject({
    tuple: { proto: 'tcp', sport: 38610, dport: 80, icmp: null },
    tcp: { flags: 'S', seq: 4_294_967_295, ack: 0, payload: 0, mss: 1410, windowScale: 7 },
  });
});

it('reports hooks with the priority at which they were seen, and no frame there', () => {
  const tape = new Tape();
  echo(tape).ingress(CALI1).hook(CALI1, 'prerouting', [-301, -151]);
  const path = onlyRecordedPath(tape);
  expect(pathFaults(JSON.stringify(path))).toEqual([]);
  expect(
    path.hops.map(({ stage, hook, priority, mac, len }) => [stage, hook, priority, mac, len]),
  ).toEqual([
    ['ingress', null, null, FROM_POD, 98],
    ['netfilter', 'prerouting', -301, null, 84],
    ['netfilter', 'prerouting', -151, null, 84],
  ]);
});

it('has no MAC addresses on a device that has no Ethernet header', () => {
  const tape = new Tape();
  echo(tape).egress(TUNL111);
  const [hop] = onlyRecordedPath(tape).hops;
  expect(hop).toMatchObject({ dev: 'tunl0', kind: 'ipip', mac: null, len: 84 });
});

it('has null for the kind of hardware, and says that a packet left by it', () => {
  const tape = new Tape();
  echo(tape).egress(NIC111).free();
  const path = onlyRecordedPath(tape);
  expect(pathFaults(JSON.stringify(path))).toEqual([]);
  expect(path).toMatchObject({ verdict: 'forwarded', hops: [{ dev: 'eno1', kind: null }] });
});

it('reports GSO packets and VLAN tags', () => {
  const tape = new Tape();
  echo(tape)
    .set({ gso: { size: 1410, segs: 12 }, offloadedVlan: { tci: 0x6064, proto: 0x8100 } })
    .egress(ENS111, { len: 17_000 });
  const path = onlyRecordedPath(tape);
  expect(pathFaults(JSON.stringify(path))).toEqual([]);
  expect(path.hops[0]).toMatchObject({ gso: { size: 1410, segs: 12 }, vlan: { id: 100 } });
});

describe('a drop', () => {
  it('in netfilter names the hook and the table after the last place it was seen', () => {
    const tape = new Tape();
    echo(tape)
      .ingress(CALI1)
      .hook(CALI1, 'forward', [-151, -1])
      .drop(null, REASONS.NETFILTER_DROP, { location: DROP_LOCATION });
    const path = onlyRecordedPath(tape);
    expect(pathFaults(JSON.stringify(path))).toEqual([]);
    expect(path.verdict).toBe('dropped');
    expect(path.drop).toEqual({
      reason: 'NETFILTER_DROP',
      location: DROP_FUNCTION,
      hook: 'forward',
      table: 'filter',
      tables: ['filter'],
      chain: null,
      rule: null,
    });
    expect(path.hops.at(-1)).toMatchObject({ stage: 'drop', hook: null, priority: null });
  });

  it('names each table of a priority, and none of them as the one', () => {
    const path = (chains: Catalog['chains']) => {
      const tape = new Tape();
      echo(tape)
        .ingress(CALI1)
        .hook(CALI1, 'forward', [-151, -1])
        .drop(null, REASONS.NETFILTER_DROP);
      return nth(recorded(tape, { ...CLUSTER, chains }).paths, 0);
    };
    const chain = {
      netns: NETNS.node111,
      family: 'ipv4',
      hook: 'forward',
      priority: 0,
      table: 'kube-proxy',
    } as const;
    const either = path([...CLUSTER.chains, chain]);
    expect(pathFaults(JSON.stringify(either))).toEqual([]);
    expect(either.drop).toMatchObject({ table: null, tables: ['filter', 'kube-proxy'] });
    expect(pathText(either, false)).toContain('at forward filter or kube-proxy');
    expect(path([chain]).drop).toMatchObject({ table: 'kube-proxy', tables: ['kube-proxy'] });
    // Where nobody could read what is registered there, it is what iptables has.
    expect(path([]).drop).toMatchObject({ table: 'filter', tables: ['filter'] });
  });

  it('for another reason names neither', () => {
    const tape = new Tape();
    echo(tape)
      .ingress(CALI1)
      .hook(CALI1, 'prerouting', [-301])
      .drop(null, REASONS.IP_OUTNOROUTES, { location: 0x1234n });
    const path = onlyRecordedPath(tape);
    expect(pathFaults(JSON.stringify(path))).toEqual([]);
    expect(path.drop).toEqual({
      reason: 'IP_OUTNOROUTES',
      location: null,
      hook: null,
      table: null,
      tables: [],
      chain: null,
      rule: null,
    });
  });

  it('for a reason nobody named has its number', () => {
    const tape = new Tape();
    echo(tape).ingress(CALI1).drop(null, 777);
    expect(onlyRecordedPath(tape).drop?.reason).toBe('REASON_777');
  });
});

it('belongs to its flow, and says which way it went', () => {
  const tape = new Tape();
  const connection = new Connection(tape, {
    ...{ proto: 'tcp', src: ADDRESSES.pod1, sport: 38610, from: AT_POD1, to: AT_POD3 },
    ...{ dst: ADDRESSES.service, dport: 8080, dnat: { dst: ADDRESSES.pod3, dport: 80 } },
    ...{ tunnelled: true, ctAddress: 0x5000n },
  });
  connection.send('original', { id: 1, seq: 100, flags: 'S' });
  tape.wait(2_000_000);
  connection.send('reply', { id: 2, seq: 900, ack: 101, flags: 'S.' });
  const { paths, flows } = recorded(tape);
  expect(paths.map(({ flow, direction }) => [flow, direction])).toEqual([
    [flows[0]?.id, 'original'],
    [flows[0]?.id, 'reply'],
  ]);
  for (const path of paths) expect(pathFaults(JSON.stringify(path))).toEqual([]);
  expect(nth(paths, 1).hops.find(({ ct }) => ct !== null)?.ct).toEqual({
    state: 'established',
    zone: 0,
    reply: true,
  });
  expect(new Set(paths.map(({ id }) => id)).size).toBe(2);
});

it('has what nobody named in its neutral form', () => {
  const tape = new Tape();
  echo(tape).egress(POD2_ETH0);
  const [path] = recorded(tape, { ...EMPTY_CATALOG, clockOffsetNs: String(TAPE_WALL_CLOCK) }).paths;
  expect(pathFaults(JSON.stringify(path))).toEqual([]);
  expect(path?.hops[0]).toMatchObject({ node: null, netns: `net:[${POD2_ETH0.inode}]` });
});

it('has no time since the hop before where a damaged record says centuries', () => {
  const tape = new Tape();
  echo(tape)
    .egress(POD1_ETH0)
    .wait(2 ** 53)
    .ingress(CALI1);
  expect(onlyRecordedPath(tape).hops.map(({ sincePrevNs }) => sincePrevNs)).toEqual([null, null]);
});

it('gives the same packet the same id, and no other', () => {
  const ids = [0, 0, 1].map((wait) => {
    const tape = new Tape();
    echo(tape.wait(wait)).egress(POD1_ETH0);
    return onlyRecordedPath(tape).id;
  });
  expect(ids[0]).toBe(ids[1]);
  expect(ids[2]).not.toBe(ids[0]);
});
