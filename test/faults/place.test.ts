import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { PathRecord } from '../../src/model/records.js';
import { afterMounting, hopscopeUnder } from '../doctor/examined.js';
import { makeNet, removeNet, Sender, stateOfNet, WATCHED } from './faulty-net.js';
import { FaultyProcess } from './faulty-process.js';
import { outcome } from './outcome.js';
import { packetsFrom, recordsOf } from './records.js';

let before: Record<string, string>;
let folder: string;
let started: FaultyProcess[] = [];
let senders: Sender[] = [];

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await makeNet();
  before = await stateOfNet();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hs-fault-place-'));
  chmodSync(folder, 0o755);
});
afterEach(async () => {
  for (const each of started) each.remove();
  for (const each of senders) each.kill();
  started = [];
  senders = [];
  spawnSync('umount', ['--quiet', folder]);
  rmSync(folder, { recursive: true, force: true });
  expect(await stateOfNet()).toEqual(before);
});
afterAll(() => removeNet());

async function ready(args: readonly string[], wrapper: readonly string[] = []) {
  const one = new FaultyProcess([...args, ...WATCHED], wrapper);
  started.push(one);
  await one.untilReady();
  return one;
}

async function send(from: number, perTick?: number): Promise<Sender> {
  const sender = await Sender.start(from, from + 1, perTick);
  senders.push(sender);
  return sender;
}

/** Counts are exact of one that is sent now. */
async function expectCounted(flows: FaultyProcess, from: number): Promise<void> {
  await delay(500);
  const sender = await send(from);
  await delay(500);
  const sent = await sender.stop();
  await delay(500);
  flows.note();
  expect(await flows.end('SIGTERM')).toBe(0);
  expect(packetsFrom(flows.out, from)).toBe(String(sent));
  await flows.expectNothingLeft();
}

test('a disk that is full while it records', async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1M', 'none', folder]);
  const file = join(folder, 'a.hops');
  const record = await ready(['record', file, '--sample', 'all']);
  record.note();
  await send(5000, 2);
  expect(await record.ended()).toBe(1);
  expect(record.err).toMatch(/a\.hops: ENOSPC.*free space.*\[RECORDING_NOT_WRITABLE\]/);
  await record.expectNothingLeft();
  // What is there is good up to where it was cut off.
  expect(statSync(file).size).toBeGreaterThan(500_000);
  const replay = hopscopeUnder([], ['replay', file, '--json', '--paths']);
  expect(replay.status).toBe(0);
  expect(replay.err).toMatch(/was cut off/);
  const paths = recordsOf<PathRecord>(replay.out);
  const whole = paths.filter(({ hops, complete }) => hops[0]?.tuple?.sport === 5000 && complete);
  expect(whole.length).toBeGreaterThan(100);
  outcome(
    'full disk while recording',
    'status 1, RECORDING_NOT_WRITABLE; what was written replays',
  );
});

test('a root that is read-only', async () => {
  const readOnly =
    'mount --bind / / && mount -o remount,ro,bind / && mount -o remount,ro,bind /tmp';
  const wrapper = afterMounting(readOnly.replace(/ && mount -o remount,ro,bind \/tmp$/, ''));
  await expectCounted(await ready(['flows', '--json'], wrapper), 5200);
  const refused = hopscopeUnder(wrapper, ['record', '/a.hops', '--duration', '1s']);
  expect(refused.status).toBe(1);
  expect(refused.err).toMatch(/EROFS.*\[RECORDING_NOT_WRITABLE\]/);
  expect(existsSync('/a.hops')).toBe(false);
  outcome('read-only root', 'counts exactly; record: status 1, RECORDING_NOT_WRITABLE');
});

test('a kernel without type information', async () => {
  mkdirSync(join(folder, 'empty'));
  const wrapper = afterMounting(`mount --bind ${folder}/empty /sys/kernel/btf`);
  const one = new FaultyProcess(['serve', '--port', '0', ...WATCHED], wrapper);
  started.push(one);
  expect(await one.ended()).toBe(3);
  expect(one.err).toMatch(/BTF.*\[KERNEL_NOT_SUPPORTED\]\n {2}.*CONFIG_DEBUG_INFO_BTF/);
  await one.expectNothingLeft();
  outcome('no type information (BTF)', 'status 3, KERNEL_NOT_SUPPORTED with the option to build');
});

test('stopped under load, and continued', async () => {
  const flows = await ready(['flows', '--json', '--sample', 'auto']);
  await delay(500);
  const sender = await send(5400);
  await delay(300);
  for (let round = 0; round < 2; round++) {
    flows.child.kill('SIGSTOP');
    await delay(700);
    flows.child.kill('SIGCONT');
    await delay(300);
  }
  const sent = await sender.stop();
  await delay(1000);
  flows.note();
  expect(await flows.end('SIGTERM')).toBe(0);
  expect(packetsFrom(flows.out, 5400)).toBe(String(sent));
  await flows.expectNothingLeft();
  outcome('stopped and continued', 'counts exact, status 0');
});
