import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand } from '../../src/lab/run-command.js';
import type { ConfiguredMtu } from '../../src/mtu/configured-mtu.js';
import { MtuAuditor } from '../../src/source/mtu-auditor.js';

const NETNS = 'hs-mtu-auditor';

const clear = (): Promise<unknown> =>
  runCommand('ip', ['netns', 'del', NETNS]).catch(() => undefined);

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests make namespaces: run them as root').toBe(0);
  await clear();
});
afterAll(clear);

it('a machine that cannot be read is missing, with why, until it can be', async () => {
  const news: ConfiguredMtu[] = [];
  const auditor = new MtuAuditor([NETNS], (configured) => news.push(configured));
  auditor.start();
  try {
    await expect
      .poll(() => auditor.missing, { timeout: 10_000 })
      .toEqual([expect.stringMatching(/^MTUs of devices and routes: .*hs-mtu-auditor/)]);
    expect(news).toEqual([]);
    await runCommand('ip', ['netns', 'add', NETNS]);
    await expect.poll(() => auditor.missing, { timeout: 20_000 }).toEqual([]);
    expect(news.map(({ namespaces }) => namespaces.map(({ name }) => name))).toEqual([[NETNS]]);
  } finally {
    auditor.stop();
  }
});
