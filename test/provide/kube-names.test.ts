import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type CatalogEndpoint, EMPTY_CATALOG } from '../../src/name/catalog.js';
import { ClusterNames, type NameChange } from '../../src/name/cluster-names.js';
import { Names } from '../../src/name/names.js';
import { KubeNames } from '../../src/provide/kube/kube-names.js';
import { mergeNames } from '../../src/provide/merge-names.js';
import { NO_FACTS } from '../../src/provide/name-provider.js';
import { KubeApiServer, recordedLines } from './kube-api-server.js';

const program = fileURLToPath(new URL('../../dist/provide/kube/kube-process.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hs-kube-'));
const kubeconfig = join(folder, 'config');
let server = new KubeApiServer();
let names: KubeNames;
const cluster = new ClusterNames();

beforeAll(async () => {
  await server.start();
  writeFileSync(kubeconfig, server.kubeconfig());
  server.answers.set('/apis/apps/v1/namespaces/default/replicasets/nginx-5f6b', (response) => {
    const owner = { kind: 'Deployment', name: 'nginx', controller: true };
    response.end(JSON.stringify({ metadata: { ownerReferences: [owner] } }));
  });
  names = new KubeNames({ kubeconfig, node: 'n111', program });
  names.follow((change) => cluster.change(change));
});
afterAll(async () => {
  names.close();
  await server.stop();
  rmSync(folder, { recursive: true });
});

const WAIT = { timeout: 10_000, interval: 30 };
const endpoint = (ip: string) => cluster.endpoints(ip).at(0);

describe('names of an API server, asked by a process of its own', () => {
  it('are of pods of this node, of who is behind services, of services and nodes', async () => {
    await vi.waitFor(() => expect(cluster.size).toBe(5 + 12), WAIT);
    expect(endpoint('10.244.153.204')).toMatchObject({
      name: 'client-7c9d',
      labels: { app: 'client' },
    });
    expect(endpoint('10.244.146.205')).toMatchObject({ name: 'nginx-5f6b-b', node: 'n112' });
    expect(server.requests).toContain('/api/v1/pods?fieldSelector=spec.nodeName%3Dn111&limit=500');
    expect(names.missing).toEqual([]);
    expect(names.ageMs).toBeLessThan(10_000);
  });

  it('follow a pod that comes, with what made it, and that goes', async () => {
    await vi.waitFor(() => expect(server.watch('/api/v1/pods')).toBeDefined(), WAIT);
    const lines = recordedLines('pods.watch');
    const { response } = server.watch('/api/v1/pods') ?? {};
    response?.write(`${lines[0]}\n${lines[1]}\n${lines[2]}\n`);
    await vi.waitFor(() => {
      const pod = endpoint('fd00:153::210');
      expect(pod).toMatchObject({ name: 'nginx-5f6b-c', workload: 'Deployment/nginx' });
    }, WAIT);
    response?.write(`${lines[3]}\n${lines[4]}\n`);
    await vi.waitFor(() => expect(endpoint('fd00:153::210')?.until).toBeGreaterThan(0), WAIT);
  });

  it('stay while the server is away, which is said, and are followed again when it is back', async () => {
    const { port } = server;
    await server.stop();
    await vi.waitFor(
      () => expect(names.missing.join()).toMatch(/Kubernetes: .*ECONNREFUSED/u),
      WAIT,
    );
    expect(endpoint('10.244.153.204')).toBeDefined();
    server = server.next();
    await server.start(port);
    await vi.waitFor(() => expect(names.missing).toEqual([]), { ...WAIT, timeout: 20_000 });
    // From the version that it had come to, without a list.
    expect(server.watch('/api/v1/pods')?.version).toBe('114');
    expect(server.requests.filter((path) => !path.includes('watch=1'))).toEqual([]);
  });
});

it('a kubeconfig that is none is said, and nothing else is stopped by it', async () => {
  const wrong = new KubeNames({ kubeconfig: join(folder, 'none'), node: null, program });
  const onChange = vi.fn();
  wrong.follow(onChange);
  await vi.waitFor(() => expect(wrong.missing.join()).toMatch(/has ended: ENOENT/u), WAIT);
  expect(onChange).not.toHaveBeenCalled();
  wrong.close();
});

it('which wins where several know an address: file, Kubernetes, runtime, lab', () => {
  const ip = '10.0.0.1';
  const pod = (name: string, more = {}) => ({
    ip,
    name,
    kind: 'pod' as const,
    node: null,
    ...more,
  });
  const said = (each: CatalogEndpoint) => ({ ...NO_FACTS, endpoints: [each] });
  const all = new Map([
    ['lab', said(pod('of-lab'))] as const,
    ['cri', said(pod('pod-a', { netns: 7, namespace: 'default' }))] as const,
    ['file', said(pod('of-file', { written: true }))] as const,
  ]);
  const kubernetes = pod('pod-a', { namespace: 'default', workload: 'Deployment/a', from: 5 });
  let ofCluster: NameChange['endpoints'] = [[ip, [kubernetes]]];
  const winner = (netns: number | null = null) => {
    const known = new Names({ ...EMPTY_CATALOG, ...mergeNames(all) });
    known.cluster.change({ endpoints: ofCluster, services: [] });
    return known.endpoint(ip, netns);
  };
  expect(winner().name).toBe('of-file');
  expect(winner(7).name).toBe('of-file');
  all.delete('file');
  expect(winner()).toMatchObject({ name: 'pod-a', workload: 'Deployment/a' });
  // The runtime knows whose the namespace is, the API server more of the same pod.
  expect(winner(7)).toMatchObject({ name: 'pod-a', workload: 'Deployment/a' });
  ofCluster = [];
  expect(winner().name).toBe('pod-a');
  all.delete('cri');
  expect(winner().name).toBe('of-lab');
});
