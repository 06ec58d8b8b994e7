import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { PathRecord } from 'hopscope-protocol';
import { expect, test } from 'vitest';
import { hopscopeUnder } from '../../doctor/examined.js';
import { sceneInFolder } from '../faulty-scene.js';
import { outcome } from '../outcome.js';
import { packetsFrom, recordsOf } from '../records.js';

const { scene, folder } = sceneInFolder();

test('a disk that is full with its output', async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1M', 'none', folder()]);
  const wrapper = ['sh', '-c', 'exec "$@" > "$0"', join(folder(), 'out')];
  const trace = await scene.ready(['trace', '--json', '--sample', 'all'], wrapper);
  trace.note();
  await scene.send(5100, 50);
  expect(await trace.ended()).toBe(1);
  expect(trace.err).toMatch(/ENOSPC.*\[OUTPUT_NOT_WRITABLE\]/);
  await trace.expectNothingLeft();
  outcome('full disk under standard output', 'status 1, OUTPUT_NOT_WRITABLE');
});

test('a container: namespaces of its own, little of /proc and /sys, a read-only root', async () => {
  const inside = [
    ...['set -e', `mount --rbind / ${folder()}`, `mount --make-rslave ${folder()}`],
    ...[`cd ${folder()}`, 'mount -o remount,ro,bind .'],
    // As container runtimes have it: read-only, and without debugfs and tracefs.
    ...['umount -R sys', 'mount -t sysfs -o ro sysfs sys', 'mount -t proc proc proc'],
    ...['mount --bind proc/sys proc/sys', 'mount -o remount,ro,bind proc/sys'],
  ].join('\n');
  const words = `${inside}\nexec chroot . "$@"`;
  const wrapper = ['unshare', '-m', '-p', '-n', '--fork', '--kill-child', 'sh', '-c', words, 'sh'];
  const doctor = hopscopeUnder(wrapper, ['doctor', '--json']);
  expect(doctor.err).toBe('');
  expect(doctor.status).toBe(0);
  await scene.expectCounted(await scene.ready(['flows', '--json'], wrapper), 5300);
  outcome('in a container', 'doctor: status 0; counts exactly what it was given to see');
});

test('without root', async () => {
  // Enough to read this checkout wherever it lies, and no more.
  const words = ['--inh-caps=-all', '--bounding-set=-all,+dac_override,+dac_read_search', '--'];
  const one = scene.begin(['serve', '--port', '0'], ['setpriv', ...words]);
  expect(await one.ended()).toBe(3);
  expect(one.err).toMatch(/CAP_BPF.*\[KERNEL_NOT_PERMITTED\]\n {2}.*run as root/);
  expect(one.url).toBe('');
  await one.expectNothingLeft();
  outcome('without root', 'status 3, KERNEL_NOT_PERMITTED with the capabilities');
});

test('a disk that is full while it records', async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1M', 'none', folder()]);
  const file = join(folder(), 'a.hops');
  const record = await scene.ready(['record', file, '--sample', 'all']);
  record.note();
  await scene.send(5000, 2);
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

test('stopped under load, and continued', async () => {
  const flows = await scene.ready(['flows', '--json', '--sample', 'auto']);
  await delay(500);
  const sender = await scene.send(5400);
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
