import { describe, expect, it } from 'vitest';
import { type CatalogNamespace, EMPTY_CATALOG } from '../../src/name/catalog.js';
import { GONE_NAMESPACES_LIMIT, Names } from '../../src/name/names.js';
import { CLUSTER, TAPE_WALL_CLOCK } from '../fixtures/catalog.js';
import { AT_POD1, AT_POD2, Connection } from '../fixtures/connection.js';
import { Joining, nth, REASONS } from '../fixtures/joined.js';
import { ADDRESSES, NETNS } from '../fixtures/places.js';
import { TAPE_START, Tape } from '../fixtures/tape.js';

const names = new Names(CLUSTER, (address) => (address === 0x1000n ? 'nf_hook_slow' : null));

describe('namespaces', () => {
  it('have their name, node and role', () => {
    expect(names.netns(NETNS.pod3, 0)).toBe('pod3');
    expect(names.node(NETNS.pod3)).toBe('node112');
    expect(names.role(NETNS.pod3)).toBe('pod');
  });

  it('that nobody named have a neutral one', () => {
    expect(names.netns(NETNS.elsewhere, 4_026_531_840)).toBe('net:[4026531840]');
    expect(names.netns(NETNS.elsewhere, 0)).toBe('net:[?]');
    expect(names.node(NETNS.elsewhere)).toBeNull();
    expect(names.role(NETNS.elsewhere)).toBeNull();
  });
});

describe('endpoints', () => {
  it('are known by their address, wherever they are seen', () => {
    const pod = { name: 'pod1', kind: 'pod', node: 'node111' };
    expect(names.endpoint(ADDRESSES.pod1, null)).toEqual(pod);
    expect(names.endpoint(ADDRESSES.pod1, NETNS.node112)).toEqual(pod);
  });

  it('with an unknown address are known by where they send from', () => {
    expect(names.endpoint('192.0.2.1', NETNS.pod2)).toEqual({
      name: 'pod2',
      kind: 'pod',
      node: 'node111',
    });
    expect(names.endpoint('192.0.2.1', NETNS.client)).toEqual({
      name: 'client',
      kind: 'external',
      node: 'machine',
    });
  });

  it('of which nothing is known are nobody', () => {
    const nobody = { name: null, kind: null, node: null };
    expect(names.endpoint('192.0.2.1', null)).toEqual(nobody);
    expect(names.endpoint('192.0.2.1', NETNS.elsewhere)).toEqual(nobody);
  });

  it('are not a wire, which only carries', () => {
    const [namespace] = CLUSTER.namespaces;
    const wired = new Names({
      ...CLUSTER,
      namespaces: [{ ...nth([namespace], 0), netns: 7, name: 'wire', node: null, role: 'wire' }],
    } as typeof CLUSTER);
    expect(wired.endpoint('192.0.2.1', 7)).toEqual({ name: null, kind: null, node: null });
  });
});

describe('an address that one pod had after another', () => {
  const ip = '10.244.0.9';
  const pod = { ip, kind: 'pod', node: 'n1' } as const;
  const changing = new Names({
    ...EMPTY_CATALOG,
    namespaces: [{ netns: 7, inode: 1, name: 'old', node: 'n1', role: 'pod' }],
    endpoints: [
      { ...pod, name: 'new', from: 200, namespace: 'web', workload: 'Deployment/new', netns: 8 },
      { ...pod, name: 'old', from: 50, until: 180, netns: 7 },
    ],
    services: [
      { name: 'web/old', ip: '10.96.0.1', port: 80, proto: 'tcp', until: 180 },
      { name: 'web/new', ip: '10.96.0.1', port: 80, proto: 'tcp', from: 200 },
    ],
  });

  it('is that pod whose it was', () => {
    const names = [49, 50, 179, 190, 200, null].map((at) => changing.endpoint(ip, null, at).name);
    expect(names).toEqual([null, 'old', 'old', null, 'new', 'new']);
    expect(changing.endpoint(ip, null, 300)).toEqual({
      ...{ name: 'new', kind: 'pod', node: 'n1', namespace: 'web', workload: 'Deployment/new' },
    });
  });

  it('is, where its own namespace was seen, the pod of that one whatever the time', () => {
    expect(changing.endpoint(ip, 7, 300).name).toBe('old');
    expect(changing.endpoint(ip, 8, 60).name).toBe('new');
    expect(changing.endpoint(ip, 9, 300).name).toBe('new');
  });

  it('may be of a service after another too', () => {
    const asked = { protocolName: 'tcp', dst: '10.96.0.1', dport: 80 };
    const at = (time: number | null) => changing.service(asked, true, time);
    expect([100, 190, 200, null].map(at)).toEqual(['web/old', null, 'web/new', 'web/new']);
  });
});

describe('services', () => {
  function service(dst: string, dport: number, translated: boolean, proto: 'tcp' | 'udp' = 'tcp') {
    const tape = new Tape();
    const ends = { src: ADDRESSES.client, sport: 40000, from: AT_POD1, to: AT_POD2 };
    new Connection(tape, { proto, dst, dport, ...ends }).send('original', { id: 1 });
    const flow = nth(new Joining().end(tape).allFlows(), 0);
    return names.service(flow.original, translated);
  }

  it('are known by ClusterIP, protocol and port', () => {
    expect(service(ADDRESSES.service, 8080, true)).toBe('default/nginx-service');
    expect(service(ADDRESSES.service, 8081, true)).toBeNull();
    expect(service(ADDRESSES.service, 8080, true, 'udp')).toBeNull();
    expect(service(ADDRESSES.pod2, 8080, true)).toBeNull();
  });

  it('are known by NodePort on an address of a node, or where it was translated', () => {
    expect(service(ADDRESSES.node111, 30080, false)).toBe('default/nginx-service');
    expect(service('192.0.2.9', 30080, true)).toBe('default/nginx-service');
    expect(service('192.0.2.9', 30080, false)).toBeNull();
    expect(service(ADDRESSES.node111, 30080, false, 'udp')).toBeNull();
  });
});

it('names drop reasons, and those it does not know by their number', () => {
  expect(names.reason(REASONS.NETFILTER_DROP)).toBe('NETFILTER_DROP');
  expect(names.reason(9999)).toBe('REASON_9999');
});

it('asks its source for functions', () => {
  expect(names.symbol(0x1000n)).toBe('nf_hook_slow');
  expect(names.symbol(0x2000n)).toBeNull();
  expect(new Names(CLUSTER).symbol(0x1000n)).toBeNull();
});

it('reports the wall clock to the nanosecond', () => {
  expect(names.wallClock(TAPE_START)).toBe(TAPE_WALL_CLOCK);
  expect(names.wallClock(TAPE_START + 1n)).toBe(TAPE_WALL_CLOCK + 1n);
});

it('forgets what a new catalog does not have, but for namespaces', () => {
  const changing = new Names(CLUSTER);
  changing.update({ ...EMPTY_CATALOG, clockOffsetNs: '5' });
  expect(changing.catalog.host).toBe(EMPTY_CATALOG.host);
  expect(changing.reason(REASONS.NETFILTER_DROP)).toBe(`REASON_${REASONS.NETFILTER_DROP}`);
  expect(changing.wallClock(1n)).toBe(6n);
});

describe('namespaces that are gone', () => {
  const [first] = CLUSTER.namespaces;
  const numbered = (netns: number): CatalogNamespace => ({
    ...(first as CatalogNamespace),
    netns,
    name: `pod-${netns}`,
  });
  const catalog = (...numbers: number[]): typeof CLUSTER => ({
    ...CLUSTER,
    namespaces: numbers.map(numbered),
  });

  it('keep their names, also when the next one has their inode', () => {
    const changing = new Names(catalog(1, 2));
    changing.update(catalog(2, 3));
    expect([1, 2, 3].map((n) => changing.netns(n, 7))).toEqual(['pod-1', 'pod-2', 'pod-3']);
    expect(changing.catalog.namespaces.map(({ netns }) => netns)).toEqual([2, 3]);
    expect(changing.remembered.namespaces.map(({ netns }) => netns)).toEqual([1, 2, 3]);
  });

  it('are forgotten beyond the limit, the oldest first', () => {
    const changing = new Names(catalog(1, 2));
    for (let n = 3; n <= GONE_NAMESPACES_LIMIT + 3; n++) changing.update(catalog(2, n));
    // Those of the catalog are two, and of those before it one is too many.
    expect(changing.netns(1, 7)).toBe('net:[7]');
    expect(changing.netns(2, 7)).toBe('pod-2');
    expect(changing.netns(3, 7)).toBe('pod-3');
    expect(changing.remembered.namespaces).toHaveLength(GONE_NAMESPACES_LIMIT + 2);
  });

  it('cost nothing while there are none', () => {
    const one = catalog(1);
    expect(new Names(one).remembered).toBe(one);
  });
});
