import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ipBatch, runCommand, runIn } from '../../src/lab/run-command.js';
import type { RulesNews } from '../../src/rules/rule-text.js';
import { NamespaceWatcher } from '../../src/source/namespace-watcher.js';
import { RulesFollower } from '../../src/source/rules-follower.js';

const NETNS = 'hs-rules-follower';
const { PATH } = process.env;
let folder: string;
let log: string;

async function clear(): Promise<void> {
  await runCommand('ip', ['netns', 'del', NETNS]).catch(() => undefined);
}

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests make namespaces: run them as root').toBe(0);
  folder = mkdtempSync(join(tmpdir(), 'hopscope-rules-follower-'));
  await clear();
  await runCommand('ip', ['netns', 'add', NETNS]);
  await ipBatch(NETNS, ['link set lo up']);
  await runIn(NETNS, 'nft', ['table ip t { chain c { type filter hook output priority 0; }; }']);
  const tool = (await runCommand('sh', ['-c', 'command -v nft'])).trim();
  log = join(folder, 'log');
  writeFileSync(log, '');
  const wrapper = `#!/bin/sh\necho run >> ${log}\nexec ${tool} "$@"\n`;
  writeFileSync(join(folder, 'nft'), wrapper, { mode: 0o755 });
  process.env['PATH'] = `${folder}:${PATH}`;
});
afterAll(async () => {
  process.env['PATH'] = PATH;
  await clear();
  rmSync(folder, { recursive: true });
});

function runs(): number {
  return readFileSync(log, 'utf8').split('\n').length - 1;
}

it('a route that changes is read, and the tables are not read again for it', async () => {
  const found = [...new NamespaceWatcher().scan(true).values()];
  const own = found.filter(({ name }) => name === NETNS);
  expect(own).toHaveLength(1);
  const news: RulesNews[] = [];
  const follower = new RulesFollower(
    () => own,
    (one) => news.push(one),
    (message) => {
      throw new Error(message);
    },
  );
  const networks = (): (string | null)[] =>
    news.flatMap((one) => (one.kind === 'read' ? [one.rules.network] : []));
  await follower.start();
  const first = runs();
  expect([networks().length, first > 0]).toEqual([1, true]);
  await ipBatch(NETNS, ['route add blackhole 192.0.2.0/24']);
  await follower.look();
  expect(networks()).toHaveLength(2);
  expect(networks()[1]).not.toBe(networks()[0]);
  expect(runs()).toBe(first);
  await runIn(NETNS, 'nft', ['add chain ip t d']);
  const before = runs();
  await follower.stop();
  expect(networks()).toHaveLength(3);
  expect(runs()).toBeGreaterThan(before);
});
