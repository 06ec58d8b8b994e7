import { describe, expect, it } from 'vitest';
import {
  controllerOf,
  nodeNames,
  objectKey,
  podNames,
  serviceNames,
  sliceNames,
} from '../../src/name/kube-objects.js';
import { recorded, recordedLines } from '../provide/kube-api-server.js';

type Fields = Readonly<Record<string, unknown>>;

function listed(name: string): Map<string, Fields> {
  const { items } = JSON.parse(recorded(name)) as { items: Fields[] };
  return new Map(items.map((each) => [objectKey(each), each]));
}

function watched(name: string, index: number): Fields {
  return (JSON.parse(recordedLines(name)[index] ?? '{}') as { object: Fields }).object;
}

const services = listed('services.list');
const namesOf = (name: string) => serviceNames(services.get(`default/${name}`) ?? {}).services;

describe('what a kube-apiserver says', () => {
  it('of a pod: both its addresses, labels, and what made it', () => {
    const pod = watched('pods.watch', 1);
    expect(controllerOf(pod)).toEqual({ kind: 'ReplicaSet', name: 'nginx-5f6b' });
    const names = podNames(pod, { kind: 'Deployment', name: 'nginx' }).endpoints;
    expect(names.map(({ ip }) => ip)).toEqual(['10.244.153.210', 'fd00:153::210']);
    expect(names[0]).toMatchObject({
      ...{ name: 'nginx-5f6b-c', kind: 'pod', node: 'n111', namespace: 'default' },
      ...{ workload: 'Deployment/nginx', labels: { app: 'nginx', 'pod-template-hash': '5f6b' } },
    });
    // It has none yet.
    expect(podNames(watched('pods.watch', 0), null).endpoints).toEqual([]);
  });

  it("of a pod in its node's namespace: no address of its own", () => {
    const pod = watched('pods.watch', 2);
    const withAddress = { ...pod, status: { podIP: '192.168.100.111' } };
    expect(podNames(withAddress, null).endpoints).toEqual([]);
  });

  it('of a pod that has ended: it gave its address back', () => {
    const pod = watched('pods.watch', 1);
    for (const phase of ['Succeeded', 'Failed']) {
      const ended = { ...pod, status: { ...(pod['status'] as Fields), phase } };
      expect(podNames(ended, null).endpoints).toEqual([]);
    }
  });

  it('of a service: its addresses, those of a balancer, and ports of nodes', () => {
    const lb = { name: 'default/lb', proto: 'tcp' };
    expect(namesOf('lb')).toEqual([
      { ...lb, ip: '10.107.161.13', port: 80 },
      { ...lb, ip: '192.168.100.200', port: 80 },
      { ...lb, ip: null, port: 30082 },
    ]);
    expect(namesOf('dns').map(({ proto, port }) => `${proto} ${port}`)).toEqual([
      ...['udp 53', 'tcp 53'],
    ]);
    // No selector names pods for these two: they are services all the same.
    expect(namesOf('kubernetes')).toHaveLength(1);
    expect(namesOf('no-endpoints')).toHaveLength(1);
  });

  it('of a headless service and of an external name: no address', () => {
    expect(serviceNames(watched('services.watch', 1))).toEqual({ endpoints: [], services: [] });
    const external = {
      metadata: { name: 'db', namespace: 'default' },
      spec: { type: 'ExternalName', externalName: 'db.example.org', ports: [{ port: 5432 }] },
    };
    expect(serviceNames(external)).toEqual({ endpoints: [], services: [] });
  });

  it('of a slice: pods of any node; what is no pod has no name', () => {
    const slices = listed('endpointslices.list');
    const endpoints = (name: string) => sliceNames(slices.get(`default/${name}`) ?? {}).endpoints;
    expect(endpoints('nginx-service-1')).toEqual([
      ...[
        ['10.244.153.201', 'nginx-5f6b-a', 'n111'],
        ['10.244.146.205', 'nginx-5f6b-b', 'n112'],
      ].map(([ip, name, node]) => ({ ip, name, node, kind: 'pod', namespace: 'default' })),
    ]);
    expect(endpoints('kubernetes')).toEqual([]);
  });

  it('of a node: its addresses', () => {
    const node = listed('nodes.list').get('/n111') ?? {};
    expect(nodeNames(node).endpoints).toEqual([
      { ip: '192.168.100.111', name: 'n111', kind: 'node', node: 'n111' },
    ]);
  });

  it.each([{}, { metadata: 1, spec: [], status: null, endpoints: 7 }, { spec: { ports: [null] } }])(
    'is nothing where it is %j',
    (object) => {
      for (const names of [podNames(object, null), serviceNames(object), sliceNames(object)]) {
        expect(names).toEqual({ endpoints: [], services: [] });
      }
      expect(nodeNames(object).endpoints).toEqual([]);
      expect(controllerOf(object)).toBeNull();
    },
  );
});
