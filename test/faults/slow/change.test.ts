import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { PathRecord } from 'hopscope-protocol';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { runCommand, runIn } from '../../../src/lab/run-command.js';
import { addRules, LEFT, makeNet, RIGHT, removeNet } from '../faulty-net.js';
import { FaultyScene } from '../faulty-scene.js';
import { outcome } from '../outcome.js';
import { packetsFrom, recordsOf } from '../records.js';

const THIRD = 'hs-fault-third';
/** Names and devices are followed within this time. */
const SETTLED_MS = 4000;

const scene = new FaultyScene();

beforeEach(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await makeNet();
  await runCommand('ip', ['netns', 'add', THIRD]);
});
afterEach(async () => {
  scene.end();
  await runCommand('ip', ['netns', 'del', THIRD]).catch(() => undefined);
  await removeNet();
});
afterAll(() => removeNet());

const NAMES = [LEFT.netns, RIGHT.netns, THIRD].flatMap((name) => ['--netns', name]);
const ready = (...args: readonly string[]) => scene.ready(args, [], NAMES);
const send = (from: number) => scene.send(from, 2);

/** Links to hooks and devices that a process holds. */
function linksOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).includes('bpf_link');
    } catch {
      return false;
    }
  }).length;
}

test('a namespace that goes while it is attached to, and comes again', async () => {
  const flows = await ready('flows', '--json', '--sample', 'all');
  await delay(1500);
  const links = linksOf(flows.pid);
  for (let round = 0; round < 5; round++) {
    const sender = await send(7000 + 2 * round);
    await delay(500);
    await runCommand('ip', ['netns', 'del', RIGHT.netns]);
    await delay(300);
    sender.kill();
    await makeNet();
  }
  await addRules();
  await delay(SETTLED_MS);
  const counted = await send(7100);
  await delay(1000);
  const sent = await counted.stop();
  await delay(1500);
  // What was attached to those that went is not held on to.
  expect(linksOf(flows.pid)).toBe(links);
  expect(await flows.end('SIGTERM')).toBe(0);
  expect(packetsFrom(flows.out, 7100)).toBe(String(sent));
  expect(flows.err).not.toMatch(/ at .*\.js:\d/);
  await flows.expectNothingLeft();
  outcome('a namespace that goes while attached', 'links given back; counts of the new one exact');
}, 120_000);

test('a device that is renamed while packets pass', async () => {
  const trace = await ready('trace', '--json', '--sample', 'all', 'udp');
  const sender = await send(7200);
  const names = ['eth0', 'renamed0'];
  for (let round = 0; round < 7; round++) {
    await delay(300);
    const [from = '', to = ''] = round % 2 === 0 ? names : [...names].reverse();
    await runIn(LEFT.netns, 'ip', ['link', 'set', from, 'name', to]);
  }
  await delay(300);
  await sender.stop();
  await delay(SETTLED_MS);
  const after = await send(7300);
  await delay(500);
  const sent = await after.stop();
  await delay(1500);
  expect(await trace.end('SIGTERM')).toBe(0);
  const paths = recordsOf<PathRecord>(trace.out);
  const at = (port: number) => pathsFrom(paths, port);
  for (const { hops } of at(7200)) {
    const left = hops.filter(({ netns, stage }) => netns === LEFT.netns && stage === 'egress');
    for (const { dev } of left) expect(names).toContain(dev);
  }
  expect(at(7300).length).toBe(sent);
  for (const { hops, complete } of at(7300)) {
    expect(complete).toBe(true);
    const left = hops.filter(({ netns, stage }) => netns === LEFT.netns && stage === 'egress');
    expect(left.map(({ dev }) => dev)).toEqual(['renamed0']);
  }
  await trace.expectNothingLeft();
  outcome('a device renamed while packets pass', 'every packet whole; the new name after that');
}, 120_000);

test('a device that moves between namespaces while packets pass', async () => {
  const trace = await ready('trace', '--json', '--sample', 'all', 'udp');
  const sender = await send(7400);
  await delay(500);
  const inThird = ['-n', THIRD];
  await runIn(RIGHT.netns, 'ip', ['link', 'set', 'eth0', 'netns', THIRD]);
  await runCommand('ip', [...inThird, 'address', 'add', `${RIGHT.address}/24`, 'dev', 'eth0']);
  await runCommand('ip', [...inThird, 'link', 'set', 'eth0', 'up']);
  await delay(SETTLED_MS);
  await sender.stop();
  const after = await send(7500);
  await delay(1000);
  const sent = await after.stop();
  await delay(1500);
  expect(await trace.end('SIGTERM')).toBe(0);
  const paths = recordsOf<PathRecord>(trace.out);
  const ends = (port: number) =>
    pathsFrom(paths, port).map(({ hops }) => hops.find(({ stage }) => stage === 'ingress'));
  const places = (port: number) =>
    new Set(ends(port).map((hop) => `${hop?.netns ?? null} ${hop?.dev ?? null}`));
  expect([...places(7400)].sort()).toEqual(
    expect.arrayContaining([`${RIGHT.netns} eth0`, `${THIRD} eth0`]),
  );
  expect(ends(7500).length).toBe(sent);
  expect([...places(7500)]).toEqual([`${THIRD} eth0`]);
  await trace.expectNothingLeft();
  outcome('a device moved while packets pass', 'before: the old namespace, after: the new one');
}, 120_000);

function pathsFrom(paths: readonly PathRecord[], port: number): PathRecord[] {
  return paths.filter(({ hops }) => hops[0]?.tuple?.sport === port);
}
