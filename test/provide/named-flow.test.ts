import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FlowRecord } from 'hopscope-protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand, runIn } from '../../src/lab/run-command.js';
import { KubeApiServer } from './kube-api-server.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const [LEFT, RIGHT] = ['hs-prv-left', 'hs-prv-right'] as const;
/** What the recorded answers of the API server call client-7c9d and nginx-5f6b-a. */
const [CLIENT, SERVER] = ['10.244.153.204', '10.244.153.201'] as const;
const folder = mkdtempSync(join(tmpdir(), 'hs-named-'));
const api = new KubeApiServer();

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests make namespaces: run them as root').toBe(0);
  await api.start();
  writeFileSync(join(folder, 'kubeconfig'), api.kubeconfig());
  const names = { addresses: [{ ip: SERVER, name: 'front', namespace: 'shop', kind: 'pod' }] };
  writeFileSync(join(folder, 'names.json'), JSON.stringify(names));
  for (const name of [LEFT, RIGHT]) await runCommand('ip', ['netns', 'add', name]);
  await runIn(LEFT, 'ip', ['link', 'add', 'v0', 'type', 'veth', 'peer', 'v0', 'netns', RIGHT]);
  for (const [name, ip] of [
    [LEFT, CLIENT],
    [RIGHT, SERVER],
  ] as const) {
    await runIn(name, 'ip', ['addr', 'add', `${ip}/24`, 'dev', 'v0']);
    await runIn(name, 'ip', ['link', 'set', 'v0', 'up']);
  }
});
afterAll(async () => {
  for (const name of [LEFT, RIGHT]) await runCommand('ip', ['netns', 'del', name]);
  await api.stop();
  rmSync(folder, { recursive: true });
});

/** Records of `hopscope flows`, after pings from one to the other once it is ready. */
async function flows(...args: readonly string[]): Promise<FlowRecord[]> {
  const command = [MAIN, 'flows', '--json', '--netns', LEFT, '--netns', RIGHT, '--duration', '5s'];
  const child = spawn(process.execPath, [...command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, said] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await new Promise<void>((resolve) =>
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (/^ready$/mu.test(said)) resolve();
    }),
  );
  await runIn(LEFT, 'ping', ['-n', '-c', '3', '-i', '0.5', SERVER]);
  expect(await ended, said).toBe(0);
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FlowRecord);
}

it('a flow has the names of the API server and of a file, and is found by them', async () => {
  const where = [
    ...['--kubernetes', join(folder, 'kubeconfig'), '--node-name', 'n111', '--cri', 'off'],
    ...['--names', join(folder, 'names.json')],
  ];
  const found = await flows(...where, '--filter-names', 'label:app=client ns:shop');
  const newest = found.filter(({ original }) => original.proto === 'icmp').at(-1);
  expect(newest?.src).toMatchObject({ name: 'client-7c9d', namespace: 'default', kind: 'pod' });
  expect(newest?.dst).toMatchObject({ name: 'front', namespace: 'shop' });
  expect(newest?.original).toMatchObject({ src: CLIENT, dst: SERVER });
});
