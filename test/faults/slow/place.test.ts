import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { hopscopeUnder } from '../../doctor/examined.js';
import { makeNet, removeNet, Sender, stateOfNet, WATCHED } from '../faulty-net.js';
import { FaultyProcess } from '../faulty-process.js';
import { outcome } from '../outcome.js';
import { packetsFrom } from '../records.js';

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

test('a disk that is full with its output', async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1M', 'none', folder]);
  const wrapper = ['sh', '-c', 'exec "$@" > "$0"', join(folder, 'out')];
  const trace = await ready(['trace', '--json', '--sample', 'all'], wrapper);
  trace.note();
  await send(5100, 50);
  expect(await trace.ended()).toBe(1);
  expect(trace.err).toMatch(/ENOSPC.*\[OUTPUT_NOT_WRITABLE\]/);
  await trace.expectNothingLeft();
  outcome('full disk under standard output', 'status 1, OUTPUT_NOT_WRITABLE');
});

test('a container: namespaces of its own, little of /proc and /sys, a read-only root', async () => {
  const inside = [
    ...['set -e', `mount --rbind / ${folder}`, `mount --make-rslave ${folder}`],
    ...[`cd ${folder}`, 'mount -o remount,ro,bind .'],
    // As container runtimes have it: read-only, and without debugfs and tracefs.
    ...['umount -R sys', 'mount -t sysfs -o ro sysfs sys', 'mount -t proc proc proc'],
    ...['mount --bind proc/sys proc/sys', 'mount -o remount,ro,bind proc/sys'],
  ].join('\n');
  const words = `${inside}\nexec chroot . "$@"`;
  const wrapper = ['unshare', '-m', '-p', '-n', '--fork', '--kill-child', 'sh', '-c', words, 'sh'];
  const doctor = hopscopeUnder(wrapper, ['doctor', '--json']);
  expect(doctor.err).toBe('');
  expect(doctor.status).toBe(0);
  await expectCounted(await ready(['flows', '--json'], wrapper), 5300);
  outcome('in a container', 'doctor: status 0; counts exactly what it was given to see');
});

test('without root', async () => {
  // Enough to read this checkout wherever it lies, and no more.
  const words = ['--inh-caps=-all', '--bounding-set=-all,+dac_override,+dac_read_search', '--'];
  const one = new FaultyProcess(['serve', '--port', '0', ...WATCHED], ['setpriv', ...words]);
  started.push(one);
  expect(await one.ended()).toBe(3);
  expect(one.err).toMatch(/CAP_BPF.*\[KERNEL_NOT_PERMITTED\]\n {2}.*run as root/);
  expect(one.url).toBe('');
  await one.expectNothingLeft();
  outcome('without root', 'status 3, KERNEL_NOT_PERMITTED with the capabilities');
});
