import { describe, expect, it } from 'vitest';
import type { CatalogEndpoint } from '../../src/name/catalog.js';
import { ClusterNames } from '../../src/name/cluster-names.js';
import { NO_NAMES, type ObjectNames } from '../../src/name/kube-objects.js';
import {
  KUBE_ENDED_LIMIT,
  KUBE_NAMES_BYTES,
  NameTable,
} from '../../src/provide/kube/name-table.js';

const IP = '10.244.1.2';
const pod = (name: string, more: Partial<CatalogEndpoint> = {}): CatalogEndpoint => ({
  ...{ ip: IP, name, kind: 'pod', node: 'n1', namespace: 'shop' },
  ...more,
});
const names = (...endpoints: CatalogEndpoint[]): ObjectNames => ({ ...NO_NAMES, endpoints });
const at = (monotonicMs: number, wallMs = 1_000_000 + monotonicMs) => ({ monotonicMs, wallMs });

/** A table, and what somebody knows who was told everything. */
function told(limits = KUBE_NAMES_BYTES) {
  const table = new NameTable(limits);
  const known = new ClusterNames();
  const groups = (): number => {
    const change = table.take(1_000_000);
    known.change(change);
    return change.endpoints.length + change.services.length;
  };
  const said = (ip = IP) => known.endpoints(ip).map(({ name, from, until }) => [name, from, until]);
  return { table, known, groups, said };
}

describe('names of all objects together', () => {
  it('are of a pod before those of slices, and each pod once', () => {
    const { table, groups, said } = told();
    table.put('endpointslices/shop/a', names(pod('web-1')), at(0));
    table.put('endpointslices/shop/b', names(pod('web-1'), pod('agent')), at(0));
    groups();
    expect(said().map(([name]) => name)).toEqual(['web-1', 'agent']);
    table.put('nodes//n1', names(pod('n1', { kind: 'node' })), at(0));
    groups();
    expect(said().map(([name]) => name)).toEqual(['n1']);
    table.put('nodes//n1', null, at(5));
    groups();
    expect(said()).toEqual([
      ['web-1', undefined, undefined],
      ['agent', undefined, undefined],
      ['n1', undefined, 5],
    ]);
  });

  it('say from when to when: of an address that is used again too', () => {
    const { table, groups, said } = told();
    table.put('pods/shop/web-1', names(pod('web-1', { from: 1_000_500 })), at(700));
    table.put('pods/shop/web-1', null, at(900));
    table.put('pods/shop/web-2', names(pod('web-2', { from: 1_000_950 })), at(1_000));
    groups();
    expect(said()).toEqual([
      ['web-2', 950, undefined],
      ['web-1', 500, 900],
    ]);
  });

  it('keep their beginning when the wall clock is set, and not that of another of the name', () => {
    const { table, groups, said } = told();
    const put = (clocks: ReturnType<typeof at>, from: number) =>
      table.put('pods/shop/web-1', names(pod('web-1', { from })), clocks);
    put(at(700), 1_000_500);
    put(at(800, 9_000_000), 1_000_500);
    groups();
    expect(said()).toEqual([['web-1', 500, undefined]]);
    put(at(900, 9_000_100), 9_000_050);
    groups();
    expect(said()).toEqual([['web-1', 850, undefined]]);
  });

  it('that were only not heard of for a while have no end', () => {
    const { table, groups, said } = told();
    table.put('endpointslices/shop/a', names(pod('web-1')), at(0));
    table.put('endpointslices/shop/a', NO_NAMES, at(5));
    groups();
    expect(said()).toEqual([['web-1', undefined, 5]]);
    table.put('endpointslices/shop/b', names(pod('web-1')), at(9));
    groups();
    expect(said()).toEqual([['web-1', undefined, undefined]]);
  });

  it('change where something is different, and nowhere else', () => {
    const { table, groups } = told();
    const service = { name: 'shop/web', ip: '10.96.0.1', port: 80, proto: 'tcp' };
    const slice = (n: number) => names(pod('web-1'), pod(`web-${n}`, { ip: `10.0.0.${n}` }));
    table.put('endpointslices/shop/a', slice(2), at(0));
    table.put('services/shop/web', { endpoints: [], services: [service] }, at(0));
    expect(groups()).toBe(3);
    table.put('endpointslices/shop/a', slice(2), at(0));
    table.put('services/shop/web', { endpoints: [], services: [service] }, at(0));
    expect(groups()).toBe(0);
    table.put('endpointslices/shop/a', slice(3), at(0));
    expect(groups()).toBe(2);
  });

  it('past the limit of a resource are left out and counted, until there is room', () => {
    const limits = { ...KUBE_NAMES_BYTES, endpointslices: 250 };
    const { table, known, groups } = told(limits);
    const slice = (n: number) => names(pod('web-1', { ip: `10.0.0.${n}` }));
    table.put('endpointslices/shop/1', slice(1), at(0));
    table.put('endpointslices/shop/2', slice(2), at(0));
    table.put('nodes//n1', names(pod('n1', { kind: 'node' })), at(0));
    groups();
    expect([known.size, table.leftOut]).toEqual([2, { endpointslices: 1 }]);
    table.put('endpointslices/shop/1', null, at(0));
    table.put('endpointslices/shop/2', slice(2), at(0));
    groups();
    expect(known.endpoints('10.0.0.2')).toHaveLength(1);
    expect(table.leftOut).toEqual({});
    table.put('endpointslices/shop/3', slice(3), at(0));
    table.put('endpointslices/shop/3', null, at(0));
    expect(table.leftOut).toEqual({});
  });

  it(`that have ended are ${KUBE_ENDED_LIMIT} at most, the newest`, () => {
    const { table, known, groups } = told();
    for (let n = 0; n <= KUBE_ENDED_LIMIT; n++) {
      table.put(
        'endpointslices/shop/a',
        names(pod('web-1', { ip: `10.0.${n >> 8}.${n & 255}` })),
        at(n),
      );
    }
    table.put('endpointslices/shop/a', null, at(9_999));
    groups();
    expect(known.size).toBe(KUBE_ENDED_LIMIT);
    expect(known.endpoints('10.0.0.0')).toEqual([]);
    expect(known.endpoints('10.0.0.1')).toHaveLength(1);
  });
});
