import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examineNames } from '../../src/doctor/examine-names.js';
import { type Catalog, EMPTY_CATALOG } from '../../src/name/catalog.js';
import { Names } from '../../src/name/names.js';
import { ContainerNames, DOCKER } from '../../src/provide/container-names.js';
import { CatalogReader } from '../../src/source/catalog-reader.js';
import { NamespaceWatcher } from '../../src/source/namespace-watcher.js';
import { RealPodman } from './real-podman.js';

// Docker's own answers are in test/provide-unit/docker-client.test.ts.
const podman = new RealPodman();
const docker = new ContainerNames(DOCKER, [podman.socket]);
const watcher = new NamespaceWatcher();
const reader = new CatalogReader(new Map(), [docker]);

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests run containers: run them as root').toBe(0);
  await podman.start('10.231.78.0/24');
});
afterAll(async () => {
  reader.close();
  await podman.stop();
});

const read = (): Promise<Catalog> => reader.read(watcher.scan(true).values());

/** Reads until it is so, for a second at most, as names have to follow. */
async function within(check: (catalog: Catalog) => void): Promise<void> {
  for (const end = performance.now() + 1_000; ; await delay(50)) {
    const catalog = await read();
    try {
      return check(catalog);
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}

const endpointOf = (catalog: Catalog, name: string) =>
  catalog.endpoints.find((each) => each.name === name && each.until === undefined);

describe('names of containers, from a real Podman', () => {
  it('follow one that comes, runs again elsewhere, and goes', async () => {
    await podman.runContainer('web', '--label', 'app=nginx');
    let first: number | undefined;
    await within((catalog) => {
      const web = endpointOf(catalog, 'web');
      expect(web?.ip).toMatch(/^10\.231\.78\./u);
      expect(web).toMatchObject({
        kind: 'pod',
        labels: { app: 'nginx' },
      });
      first = web?.netns;
      expect(catalog.namespaces.find(({ netns }) => netns === first)).toMatchObject({
        name: 'web',
        role: 'pod',
      });
    });
    const began = endpointOf(await read(), 'web')?.from ?? 0;
    await podman.do('restart', '-t', '0', 'web');
    await within((catalog) => {
      const web = endpointOf(catalog, 'web');
      expect(web?.netns).not.toBe(first);
      expect(web?.netns).toBeDefined();
      expect(web?.from).toBeGreaterThan(began);
    });
    const { ip = '', from = 0 } = endpointOf(await read(), 'web') ?? {};
    await podman.do('rm', '-f', '-t', '0', 'web');
    await within((catalog) => expect(endpointOf(catalog, 'web')).toBeUndefined());
    const names = new Names({ ...EMPTY_CATALOG, ...(await read()) });
    expect(names.endpoint(ip, null).name).toBeNull();
    expect(names.endpoint(ip, null, from + 1).name).toBe('web');
  });

  it('are not of those in the network of their node, or of another', async () => {
    await podman.runContainer('owner');
    await podman.runContainer('agent', '--network', 'host');
    await podman.runContainer('sidecar', '--network', 'container:owner');
    await within((catalog) => expect(endpointOf(catalog, 'owner')).toBeDefined());
    const catalog = await read();
    const named = catalog.namespaces.map(({ name }) => name);
    expect(named).toContain('owner');
    for (const name of ['agent', 'sidecar']) {
      expect(named).not.toContain(name);
      expect(endpointOf(catalog, name)).toBeUndefined();
    }
  });

  it('stay while it gives no answer, which is said, here and by doctor', async () => {
    const kind = { ...DOCKER, sockets: [podman.socket] };
    expect(await examineNames([kind])).toMatchObject([{ state: 'available' }]);
    podman.signal('SIGSTOP');
    try {
      const catalog = await read();
      expect(endpointOf(catalog, 'owner')).toMatchObject({ stale: true });
      expect(reader.missing.join()).toMatch(/podman\.sock: no answer within 1000 ms/u);
      expect((await examineNames([kind]))[0]?.state).not.toBe('available');
    } finally {
      podman.signal('SIGCONT');
    }
    await within(() => expect(reader.missing).toEqual([]));
  });
});
