import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { examineNames } from '../../src/doctor/examine-names.js';
import { runCommand } from '../../src/lab/run-command.js';
import { type Catalog, EMPTY_CATALOG } from '../../src/name/catalog.js';
import { Names } from '../../src/name/names.js';
import { ContainerNames, CRI } from '../../src/provide/container-names.js';
import { CatalogFollower } from '../../src/source/catalog-follower.js';
import { CatalogReader } from '../../src/source/catalog-reader.js';
import { NamespaceWatcher } from '../../src/source/namespace-watcher.js';
import { RealContainerd } from './real-containerd.js';

const BRIDGE = 'hs-cri0';
/** Three addresses besides the bridge's own: they are soon used again. */
const containerd = new RealContainerd('10.231.77.0/29', BRIDGE);
const cri = new ContainerNames(CRI, [containerd.socket]);
const watcher = new NamespaceWatcher();
let found = watcher.scan();
let catalog: Catalog = EMPTY_CATALOG;
const names = new Names(catalog);
const follower = new CatalogFollower(
  new CatalogReader(new Map(), [cri]),
  () => found.values(),
  (news) => {
    catalog = news;
    names.update(news);
  },
  (change) => names.cluster.change(change),
  (message) => {
    throw new Error(message);
  },
);
/** As the daemon looks, four times as seldom. */
const looking = setInterval(() => {
  const before = found.size;
  found = watcher.scan(true);
  if (found.size !== before) follower.changed();
  follower.look();
}, 100);

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests run containers: run them as root').toBe(0);
  await containerd.start();
  await follower.start();
});
afterAll(async () => {
  clearInterval(looking);
  follower.stop();
  await containerd.stop();
});

// One that a failed try left would keep its name from the next.
afterEach(() => containerd.removePods());

/** Waits for at most `ms`, and fails with what is not so. */
async function within(ms: number, check: () => void): Promise<void> {
  for (const end = performance.now() + ms; ; await delay(20)) {
    try {
      return check();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}

const endpointsOf = (name: string) => catalog.endpoints.filter((each) => each.name === name);
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

describe('pods of a real containerd', () => {
  it('have their names within a second, and their addresses only while they live', async () => {
    const labels = { app: 'web', 'io.kubernetes.pod.name': 'web-1' };
    const id = await containerd.runPod({ name: 'web-1', namespace: 'shop', labels });
    await within(1_000, () => expect(endpointsOf('web-1')).toHaveLength(1));
    const [{ ip = '', netns = 0, from = 0 } = {}] = endpointsOf('web-1');
    const pod = { name: 'web-1', kind: 'pod', namespace: 'shop', labels: { app: 'web' } };
    expect(ip).toMatch(/^10\.231\.77\.\d$/u);
    expect(names.endpoint(ip, null)).toMatchObject(pod);
    // The name under /run/netns is one that the runtime made up.
    await within(1_000, () => expect(names.netns(netns, 0)).toBe('web-1'));
    expect(names.role(netns)).toBe('pod');
    expect(from).toBeLessThan(now());
    expect(from).toBeGreaterThan(now() - 10_000);
    const lived = now();
    await containerd.removePod(id);
    await within(1_000, () => expect(endpointsOf('web-1')[0]?.until).toBeGreaterThan(from));
    expect(names.endpoint(ip, null)).toEqual({ name: null, kind: null, node: null });
    expect(names.endpoint(ip, null, lived)).toMatchObject(pod);
    expect(names.endpoint(ip, null, from - 1).name).toBeNull();
    expect(names.netns(netns, 0)).toBe('web-1');
  });

  it('that follow each other at one address are distinguished by time and by namespace', async () => {
    const times: { readonly name: string; readonly at: number; readonly netns: number }[] = [];
    const addresses = new Map<string, string[]>();
    for (let i = 0; i < 8; i++) {
      const name = `turn-${i}`;
      const id = await containerd.runPod({ name, namespace: 'shop' });
      await within(1_000, () => expect(endpointsOf(name)).toHaveLength(1));
      const [{ ip = '', netns = 0 } = {}] = endpointsOf(name);
      times.push({ name, at: now(), netns });
      addresses.set(ip, [...(addresses.get(ip) ?? []), name]);
      await containerd.removePod(id);
      await within(1_000, () => expect(endpointsOf(name)[0]?.until).toBeDefined());
    }
    const [[reused = '', users] = ['', []]] = [...addresses].filter(([, by]) => by.length > 1);
    expect(users.length).toBeGreaterThan(1);
    for (const { name, at, netns } of times.filter(({ name }) => users.includes(name))) {
      expect(names.endpoint(reused, null, at).name).toBe(name);
      expect(names.endpoint(reused, netns, null).name).toBe(name);
    }
  });

  it("in their node's namespace have no address of their own, and give it no name", async () => {
    const id = await containerd.runPod({ name: 'agent', namespace: 'sys', hostNetwork: true });
    await delay(700);
    expect(endpointsOf('agent')).toEqual([]);
    expect(catalog.namespaces.map(({ name }) => name)).not.toContain('agent');
    await containerd.removePod(id);
  });
});

it('doctor says what runtimes there are', async () => {
  const [there] = await examineNames([
    { ...CRI, sockets: ['/run/hs-no-such.sock', containerd.socket] },
  ]);
  expect(there).toMatchObject({ id: 'container-runtime', state: 'available' });
  expect(there?.detail).toMatch(/containerd\.sock, \d+ pods$/u);
  const [none] = await examineNames([{ ...CRI, sockets: ['/run/hs-no-such.sock'] }]);
  expect(none).toMatchObject({ need: 'optional', state: 'absent' });
});

describe('a runtime that does not answer', () => {
  it('is said to, keeps nobody waiting, and is heard again', async () => {
    const name = 'kept';
    const id = await containerd.runPod({ name, namespace: 'shop' });
    await within(4_000, () => expect(endpointsOf(name)).toHaveLength(1));
    containerd.signal('SIGSTOP');
    await runCommand('ip', ['netns', 'add', 'hs-cri-other']);
    try {
      await within(4_000, () =>
        expect(catalog.namespaces.map((each) => each.name)).toContain('hs-cri-other'),
      );
      await within(4_000, () =>
        expect(follower.missing).toEqual([expect.stringMatching(/names of pods from .*DEADLINE/u)]),
      );
      expect(endpointsOf(name)[0]?.until).toBeUndefined();
      await within(4_000, () => expect(endpointsOf(name)[0]?.stale).toBe(true));
      const [hanging] = await examineNames([{ ...CRI, sockets: [containerd.socket] }]);
      expect(hanging).toMatchObject({ need: 'wanted', state: 'absent' });
      expect(hanging?.detail).toMatch(/DEADLINE/u);
    } finally {
      containerd.signal('SIGCONT');
      await runCommand('ip', ['netns', 'del', 'hs-cri-other']);
    }
    await within(4_000, () => expect(follower.missing).toEqual([]));
    await within(4_000, () => expect(endpointsOf(name)[0]?.stale).toBeUndefined());
    expect(follower.ages()['cri']).toBeLessThan(10);
    await containerd.removePod(id);
  });
});

it('a socket that is not there is said where it was asked for, and only there', async () => {
  const asked = new ContainerNames(CRI, ['/run/hs-no-such.sock']);
  await asked.read([]);
  expect(asked.missing).toEqual([
    'names of pods from /run/hs-no-such.sock: there is no such socket',
  ]);
  const usual = new ContainerNames(CRI, null);
  await usual.read([]);
  expect(usual.missing).toEqual([]);
});
