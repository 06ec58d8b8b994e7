import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { FlowRecord, PathRecord } from 'hopscope-protocol';
import { expect, test } from 'vitest';
import { runCommand, runIn } from '../../../src/lab/run-command.js';
import { PRIORITY_OFFSET_LIMIT } from '../../../src/name/netfilter-table.js';
import { type MemoryCgroup, memoryCgroup } from '../../fixtures/cgroup.js';
import { LEFT, RIGHT } from '../faulty-net.js';
import type { FaultyProcess } from '../faulty-process.js';
import { sceneForAll } from '../faulty-scene.js';
import { outcome } from '../outcome.js';
import { packetsFrom, recordsOf } from '../records.js';

let groups: MemoryCgroup[] = [];
const scene = sceneForAll(async () => {
  await delay(500);
  for (const each of groups) each.remove();
  groups = [];
});

/** Takes memory of the cgroup until the kernel ends somebody in it. */
function eat(group: MemoryCgroup): void {
  const words = 'x = []\nwhile True: x.append(bytearray(b"x") * 4_000_000)';
  const [command = '', ...rest] = [...group.wrapper, 'timeout', '30', 'python3', '-c', words];
  spawn(command, rest, { stdio: 'ignore' });
}

test('out of memory in its cgroup', async () => {
  const group = memoryCgroup(400);
  groups.push(group);
  // The kernel knows whom to end: a process that may be ended first, before the one that eats.
  const wrapper = [...group.wrapper, 'choom', '-n', '1000', '--'];
  const daemon = await scene.ready(['serve', '--port', '0'], wrapper);
  expect(daemon.err).toMatch(/limit of this cgroup is 400M.*--memory 400M or raise memory\.max/);
  await scene.send(6000);
  daemon.note();
  eat(group);
  expect(await daemon.ended()).toBe('SIGKILL');
  expect(group.kills()).toBeGreaterThan(0);
  await daemon.expectNothingLeft();

  // The process that serves is one that may be ended: the daemon starts it again.
  const roomy = memoryCgroup(400);
  groups.push(roomy);
  const other = await scene.ready(['serve', '--port', '0']);
  await delay(500);
  const counted = await scene.send(6100);
  const server = other.descendant('server-main.js') ?? 0;
  writeFileSync(join(roomy.folder, 'cgroup.procs'), String(server));
  await runCommand('choom', ['-n', '1000', '-p', String(server)]);
  eat(roomy);
  await expect.poll(() => other.err, { timeout: 30_000 }).toMatch(/has ended \(SIGKILL\)/);
  await expect.poll(() => other.descendant('server-main.js'), { timeout: 10_000 }).not.toBeNull();
  const sent = await counted.stop();
  const counts = async () => {
    const answer = await fetch(`${other.url}/api/flows?limit=100`).catch(() => null);
    if (answer?.status !== 200) return null;
    const { flows } = (await answer.json()) as { flows: FlowRecord[] };
    return flows.find(({ original }) => original?.sport === 6100)?.packets.original ?? null;
  };
  await expect.poll(counts, { timeout: 10_000 }).toBe(String(sent));
  expect(await other.end('SIGTERM')).toBe(0);
  await other.expectNothingLeft();
  outcome(
    'out of memory in a cgroup',
    'said at the start, with the remedy; daemon killed: nothing left; server killed: started again, counts exact',
  );
}, 120_000);

test('a cgroup with less than it takes', async () => {
  const group = memoryCgroup(200);
  groups.push(group);
  const one = scene.begin(['serve', '--port', '0'], group.wrapper);
  expect(await one.ended()).toBe(3);
  expect(one.err).toMatch(/\[NOT_ENOUGH_MEMORY\]\n {2}.*memory\.max/);
  await one.expectNothingLeft();
  outcome('a cgroup with less than it takes', 'status 3, NOT_ENOUGH_MEMORY with the remedy');
});

test('a ring that runs over for a minute', async () => {
  const flows = await scene.ready(['flows', '--json', '--sample', 'all', '--memory', '384M']);
  await delay(1000);
  const counted = await scene.send(6200);
  const floods = await Promise.all([6300, 6302].map((port) => scene.send(port, 600)));
  const end = performance.now() + 60_000;
  // A ring of 8 MiB is full in a moment while nobody reads it, again and again.
  while (performance.now() < end) {
    flows.child.kill('SIGSTOP');
    await delay(2000);
    flows.child.kill('SIGCONT');
    await delay(500);
  }
  const sent = await counted.stop();
  for (const flood of floods) await flood.stop();
  // It takes what is in the ring, and joins that.
  await delay(10_000);
  const after = await scene.send(6400);
  await delay(500);
  const sentAfter = await after.stop();
  await delay(1500);
  flows.note();
  expect(await flows.end('SIGTERM')).toBe(0);
  const lost = Number(/^hopscope: (\d+) events lost/m.exec(flows.err)?.[1] ?? 0);
  expect(lost).toBeGreaterThan(10_000);
  expect(packetsFrom(flows.out, 6200)).toBe(String(sent));
  expect(packetsFrom(flows.out, 6400)).toBe(String(sentAfter));
  await flows.expectNothingLeft();
  outcome('a ring that runs over for a minute', `${lost} events lost, said so; counts stay exact`);
}, 150_000);

test('one observer more than there is room for', async () => {
  const observers: FaultyProcess[] = [];
  while (observers.length < PRIORITY_OFFSET_LIMIT) {
    const some = Array.from({ length: 4 }, () =>
      scene.ready(['trace', '--json', '--sample', 'all', 'icmp']),
    );
    observers.push(...(await Promise.all(some)));
  }
  const late = scene.begin(['trace']);
  expect(await late.ended()).toBe(3);
  expect(late.err).toMatch(/\[TOO_MANY_OBSERVERS\]\n {2}.*stop other hopscope/);
  await late.expectNothingLeft();
  await runIn(LEFT.netns, 'ping', ['-n', '-q', '-c', '5', '-i', '0.2', RIGHT.address]);
  await delay(2000);
  for (const observer of observers) {
    expect(await observer.end('SIGTERM')).toBe(0);
    const whole = recordsOf<PathRecord>(observer.out).filter(
      ({ verdict, complete }) => verdict === 'delivered' && complete,
    );
    // Five requests and their answers.
    expect(whole.length, observer.err).toBe(10);
  }
  for (const observer of observers) await observer.expectNothingLeft();
  outcome(
    `${PRIORITY_OFFSET_LIMIT + 1} observers`,
    `${PRIORITY_OFFSET_LIMIT} see every packet whole; one more: status 3, TOO_MANY_OBSERVERS`,
  );
}, 300_000);
