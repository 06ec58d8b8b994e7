import { describe, expect, it } from 'vitest';
import { CatalogError, EMPTY_CATALOG } from '../../src/name/catalog.js';
import {
  ClusterNames,
  type NameChange,
  parseNameChange,
  servicePlace,
} from '../../src/name/cluster-names.js';
import { Names } from '../../src/name/names.js';

const POD = {
  ...({ ip: '10.244.1.2', name: 'web-1', kind: 'pod', node: 'n1', namespace: 'shop' } as const),
  ...{ workload: 'Deployment/web', labels: { app: 'web' }, from: 1_000 },
};
const NODE = { ip: 'fd00::1', name: 'n1', kind: 'node', node: null } as const;
const CLUSTER_IP = { name: 'shop/web', ip: 'fd00:10::5', port: 80, proto: 'tcp' } as const;
const NODE_PORT = { name: 'shop/web', ip: null, port: 30_080, proto: 'tcp', until: 9 } as const;
const PLACES = [servicePlace('tcp', 'fd00:10::5', 80), servicePlace('tcp', null, 30_080)] as const;
const ALL: NameChange = {
  endpoints: [
    [POD.ip, [POD]],
    [NODE.ip, [NODE]],
  ],
  services: [
    [PLACES[0], [CLUSTER_IP]],
    [PLACES[1], [NODE_PORT]],
  ],
};
const one = (n: number): NameChange => ({
  endpoints: [[`10.0.0.${n}`, [{ ...POD, ip: `10.0.0.${n}` }]]],
  services: [],
});

describe('names of a cluster', () => {
  it('are what was said, until something else is', () => {
    const names = new ClusterNames();
    names.change(ALL);
    expect(names.endpoints(POD.ip)).toEqual([POD]);
    expect(names.endpoints(NODE.ip)).toEqual([NODE]);
    expect(names.services(PLACES[0])).toEqual([CLUSTER_IP]);
    expect(names.services(PLACES[1])).toEqual([NODE_PORT]);
    const ended = { ...POD, until: 2_000 };
    names.change({ endpoints: [[POD.ip, [{ ...POD, name: 'db' }, ended]]], services: [] });
    expect(names.endpoints(POD.ip).map(({ name, until }) => [name, until])).toEqual([
      ['db', undefined],
      ['web-1', 2_000],
    ]);
    names.change({ endpoints: [[POD.ip, []]], services: [[PLACES[0], []]] });
    expect([names.endpoints(POD.ip), names.services(PLACES[0]), names.size]).toEqual([[], [], 2]);
    names.change({ anew: true, ...one(1) });
    expect([names.size, names.endpoints(NODE.ip)]).toEqual([1, []]);
  });

  it('past the limit are refused and counted, and take what they had with them', () => {
    const measured = new ClusterNames();
    measured.change(one(1));
    const names = new ClusterNames(2 * measured.memory.bytes);
    for (const n of [1, 2]) names.change(one(n));
    expect([names.size, names.refused]).toEqual([2, 0]);
    names.change(one(3));
    expect([names.size, names.refused, names.endpoints('10.0.0.3')]).toEqual([2, 1, []]);
    const longer = { ...POD, ip: '10.0.0.2', name: 'of a longer name' };
    names.change({ endpoints: [['10.0.0.2', [longer]]], services: [] });
    expect([names.size, names.refused, names.endpoints('10.0.0.2')]).toEqual([1, 2, []]);
    names.change(one(3));
    expect([names.size, names.memory]).toEqual([
      2,
      { bytes: names.memory.limit, limit: names.memory.limit },
    ]);
    names.change({ endpoints: [1, 3].map((n) => [`10.0.0.${n}`, []]), services: [] });
    expect(names.memory.bytes).toBe(0);
  });

  it('reach one who follows in parts, and of a state that has passed nothing', () => {
    const names = new ClusterNames();
    names.change(ALL);
    const follower = names.follow();
    const copy = new ClusterNames();
    const parts: number[] = [];
    for (let part = follower.take(3); part !== null; part = follower.take(3)) {
      parts.push(part.endpoints.length + part.services.length);
      expect(follower.hadAll).toBe(parts.length === 2);
      copy.change(part);
    }
    expect(parts).toEqual([3, 1]);
    expect(copy.endpoints(POD.ip)).toEqual([POD]);
    for (const name of ['a', 'b', 'c']) {
      names.change({ stale: true, endpoints: [[POD.ip, [{ ...POD, name }]]], services: [] });
    }
    expect(follower.take(9)).toEqual({
      ...{ stale: true, services: [] },
      endpoints: [[POD.ip, [{ ...POD, name: 'c' }]]],
    });
    expect(follower.take(9)).toBeNull();
    names.change({ anew: true, ...one(7) });
    expect(follower.take(9)).toMatchObject({ anew: true, ...one(7) });
    follower.close();
    names.change(ALL);
    expect(follower.take(9)).toBeNull();
  });

  it('are looked up beside those of a catalog; stale ones say so', () => {
    const local = { ip: '192.0.2.1', name: 'printer', kind: 'external', node: null } as const;
    const names = new Names({ ...EMPTY_CATALOG, endpoints: [local] });
    names.cluster.change(ALL);
    expect(names.endpoint(POD.ip, null, 1_500)).toEqual({
      ...{ name: 'web-1', kind: 'pod', node: 'n1', namespace: 'shop' },
      ...{ workload: 'Deployment/web', labels: { app: 'web' } },
    });
    expect(names.endpoint(local.ip, null).name).toBe('printer');
    const to = { protocolName: 'tcp', dst: 'fd00:10::5', dport: 80 } as const;
    expect(names.service(to, true)).toBe('shop/web');
    expect(names.service({ ...to, dst: NODE.ip, dport: 30_080 }, false, 5)).toBe('shop/web');
    expect(names.service({ ...to, dst: NODE.ip, dport: 30_080 }, false, 10)).toBeNull();
    names.update(EMPTY_CATALOG);
    names.cluster.change({ stale: true, endpoints: [], services: [] });
    expect(names.endpoint(POD.ip, null)).toMatchObject({ name: 'web-1', stale: true });
    names.cluster.change({ stale: false, endpoints: [], services: [] });
    expect(names.endpoint(POD.ip, null).stale).toBeUndefined();
  });
});

describe('a change that anybody may have written', () => {
  it('is read as it was written', () => {
    const change = { anew: true, stale: false, ...ALL };
    expect(parseNameChange(JSON.parse(JSON.stringify(change)))).toEqual(change);
  });

  it.each([null, 7, [], {}, { endpoints: 7, services: [[1, 2], [], null] }])(
    '%j says nothing',
    (value) => {
      expect(parseNameChange(value)).toEqual({ endpoints: [], services: [] });
    },
  );

  it('with an entry that is none is refused', () => {
    expect(() => parseNameChange({ endpoints: [['10.0.0.1', [{ ip: 7 }]]] })).toThrow(CatalogError);
  });
});
