import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DockerClient } from '../../src/provide/docker/docker-client.js';

/*
 * dockerd is not started by these tests: it would change the rules of the machine. These are
 * members of its answers as the reference of the Engine API 1.41 has them; a real Podman answers
 * in test/provide/docker-names.test.ts.
 */
const ID = '8dfafdbc3a40';
const CONTAINER = {
  ...{ Id: ID, Names: ['/boring_feynman'], Image: 'ubuntu:latest', Created: 1_367_854_155 },
  ...{ State: 'running', Status: 'Up', Labels: { 'com.example.vendor': 'Acme' } },
  HostConfig: { NetworkMode: 'default' },
};
const POD = {
  ...{ ...CONTAINER, Id: 'aa', Names: ['/k8s_POD_web-1_shop_uid_0'] },
  Labels: {
    'io.kubernetes.docker.type': 'podsandbox',
    'io.kubernetes.pod.name': 'web-1',
    'io.kubernetes.pod.namespace': 'shop',
  },
};
const INSPECTED = {
  ...{ Id: ID, Created: '2015-01-06T15:47:31.485331387Z' },
  State: { Running: true, Pid: 1_234, StartedAt: '2015-01-06T15:47:32.072697474Z' },
  HostConfig: { NetworkMode: 'default' },
  NetworkSettings: {
    ...{ SandboxKey: '/var/run/docker/netns/8ab54b426c38', IPAddress: '172.17.0.2' },
    Networks: {
      bridge: { IPAddress: '172.17.0.2', GlobalIPv6Address: '' },
      front: { IPAddress: '172.18.0.2', GlobalIPv6Address: '2001:db8::2' },
    },
  },
};

const LIMIT = 4_096;
const folder = mkdtempSync(join(tmpdir(), 'hs-docker-'));
const socket = join(folder, 'docker.sock');
const answers = new Map<string, unknown>();
const server: Server = createServer((request, response) => {
  const answer = answers.get(request.url ?? '');
  response.writeHead(answer === undefined ? 404 : 200);
  response.end(typeof answer === 'string' ? answer : JSON.stringify(answer ?? {}));
});
const client = new DockerClient(socket, LIMIT);

beforeAll(() => new Promise<void>((resolve) => server.listen(socket, resolve)));
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

describe('what Docker answers', () => {
  it('is of containers, and of pods of a kubelet', async () => {
    answers.set('/containers/json', [CONTAINER, POD, { Id: 'bb', State: 'exited' }, 7]);
    expect(await client.sandboxes()).toMatchObject([
      {
        ...{ id: ID, name: 'boring_feynman', namespace: null, isReady: true },
        ...{ labels: { 'com.example.vendor': 'Acme' }, createdMs: 1_367_854_155_000 },
      },
      { name: 'web-1', namespace: 'shop' },
      { id: 'bb', isReady: false },
      { id: '', isReady: false },
    ]);
  });

  it('is of its addresses and its namespace', async () => {
    answers.set(`/containers/${ID}/json`, INSPECTED);
    expect(await client.network(ID)).toEqual({
      ips: ['172.17.0.2', '172.18.0.2', '2001:db8::2'],
      isShared: false,
      startedMs: Date.parse('2015-01-06T15:47:32.072Z'),
      paths: ['/proc/1234/ns/net', '/var/run/docker/netns/8ab54b426c38'],
    });
    for (const NetworkMode of ['host', 'container:aa']) {
      answers.set(`/containers/${ID}/json`, { ...INSPECTED, HostConfig: { NetworkMode } });
      expect((await client.network(ID)).isShared).toBe(true);
    }
    answers.set(`/containers/${ID}/json`, {});
    expect(await client.network(ID)).toEqual({
      ...{ ips: [], isShared: false, startedMs: null, paths: [] },
    });
  });

  it.each([
    ['no JSON', 'nonsense', /JSON/u],
    ['no list', {}, /lists no containers/u],
    ['another status', undefined, /status 404/u],
    ['too much', 'x'.repeat(LIMIT + 1), /more than 4096 bytes/u],
  ])('is an error where it is %s', async (_, answer, why) => {
    answers.delete('/containers/json');
    if (answer !== undefined) answers.set('/containers/json', answer);
    await expect(client.sandboxes()).rejects.toThrow(why);
  });
});
