import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { PathRecord } from 'hopscope-protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runCommand, runIn } from '../../src/lab/run-command.js';
import { HopscopeProcess, MAIN } from '../scenario/hopscope-process.js';
import { LEFT, makePair, RIGHT, removePair } from './namespaces.js';

/** Within this time a change of namespaces and devices must be known. */
const LIMIT_MS = 1000;

let trace: HopscopeProcess;
/** Processes that keep a namespace while a test goes on. */
const holders: ChildProcess[] = [];

beforeEach(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await removePair();
  trace = await HopscopeProcess.ready(['trace', '--json', '--sample', 'all']);
});
afterEach(async () => {
  await trace.stop('SIGKILL');
  for (const holder of holders.splice(0)) holder.kill();
  await removePair();
});

async function pingOnce(): Promise<void> {
  await runIn(LEFT.netns, 'ping', ['-n', '-c', '1', '-W', '1', RIGHT.address]);
}

async function echoes(): Promise<PathRecord[]> {
  await trace.stop();
  return trace
    .records<PathRecord>()
    .filter(({ hops }) => hops[0]?.tuple?.proto === 'icmp')
    .filter(({ hops }) => [LEFT, RIGHT].some(({ address }) => address === hops[0]?.tuple?.src));
}

function places({ hops }: PathRecord): string[] {
  const texts = hops
    .filter(({ stage }) => stage !== 'deliver')
    .map(
      (hop) => `${hop.netns} ${hop.stage === 'netfilter' ? hop.hook : `${hop.dev} ${hop.stage}`}`,
    );
  return texts.filter((text, index) => text !== texts[index - 1]);
}

function way(from: string, to: string): string[] {
  // Without rules there is nothing at a hook to see, but for the end of INPUT.
  return [`${from} eth0 egress`, `${to} eth0 ingress`, `${to} input`];
}

it('sees everything in a namespace a second after it was made', async () => {
  await makePair();
  await delay(LIMIT_MS);
  await pingOnce();
  const [there, back, ...more] = await echoes();
  expect(more).toEqual([]);
  expect(there === undefined ? [] : places(there)).toEqual(way(LEFT.netns, RIGHT.netns));
  expect(back === undefined ? [] : places(back)).toEqual(way(RIGHT.netns, LEFT.netns));
});

it('knows a namespace by its new name', async () => {
  await makePair();
  await delay(LIMIT_MS);
  // The same namespace under another name, as `ip netns` keeps it: a bind mount.
  const renamed = `${LEFT.netns}-renamed`;
  await runCommand('ip', ['netns', 'attach', renamed, String(await processIn(LEFT.netns))]);
  // Lazily, as ip netns del does: a process that looks at its devices may be on its way in.
  await runCommand('umount', ['-l', `/run/netns/${LEFT.netns}`]);
  await runCommand('rm', [`/run/netns/${LEFT.netns}`]);
  try {
    await delay(LIMIT_MS);
    await runIn(renamed, 'ping', ['-n', '-c', '1', '-W', '1', RIGHT.address]);
    const [there] = await echoes();
    expect(there === undefined ? [] : places(there)).toEqual(way(renamed, RIGHT.netns));
  } finally {
    await runCommand('ip', ['netns', 'del', renamed]);
  }
});

/** A process that stays in a namespace long enough to name the namespace by it. */
async function processIn(netns: string): Promise<number> {
  const child = spawn('ip', ['netns', 'exec', netns, 'sleep', '60'], { stdio: 'ignore' });
  holders.push(child);
  const own = await readlink('/proc/self/ns/net');
  // ip enters the namespace and then becomes the command.
  await expect.poll(() => readlink(`/proc/${child.pid}/ns/net`)).not.toBe(own);
  return Number(child.pid);
}

it('lets a namespace go within a second after it was deleted', async () => {
  await runCommand('ip', ['netns', 'add', LEFT.netns]);
  const device = 'hs-src-peer';
  try {
    await runCommand('ip', [
      ...['link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0'],
      ...['netns', LEFT.netns],
    ]);
    await delay(LIMIT_MS);
    expect(existsSync(`/sys/class/net/${device}`)).toBe(true);
    await runCommand('ip', ['netns', 'del', LEFT.netns]);
    const deleted = performance.now();
    await expect
      .poll(() => existsSync(`/sys/class/net/${device}`), { timeout: 3000, interval: 20 })
      .toBe(false);
    expect(performance.now() - deleted).toBeLessThan(LIMIT_MS);
  } finally {
    await runCommand('ip', ['link', 'del', device]).catch(() => undefined);
  }
});

it('calls a renamed device by its new name', async () => {
  await makePair();
  await delay(LIMIT_MS);
  await pingOnce();
  await runIn(RIGHT.netns, 'ip', ['link', 'set', 'eth0', 'down']);
  await runIn(RIGHT.netns, 'ip', ['link', 'set', 'eth0', 'name', 'lan0']);
  await runIn(RIGHT.netns, 'ip', ['link', 'set', 'lan0', 'up']);
  await pingOnce();
  const arrivals = (await echoes()).flatMap(({ hops }) =>
    hops.filter(({ netns, stage }) => netns === RIGHT.netns && stage === 'ingress'),
  );
  expect(arrivals.map(({ dev }) => dev)).toEqual(['eth0', 'lan0']);
});

it('sees a namespace that no name leads to, by a process in it', async () => {
  await makePair();
  const holder = await processIn(LEFT.netns);
  const namespace = `/proc/${holder}/ns/net`;
  const name = await readlink(namespace);
  await runCommand('umount', [`/run/netns/${LEFT.netns}`]);
  await runCommand('rm', [`/run/netns/${LEFT.netns}`]);
  await delay(LIMIT_MS);
  await runCommand('nsenter', [
    ...[`--net=${namespace}`, 'ping', '-n', '-c', '1', '-W', '1', RIGHT.address],
  ]);
  const [there] = await echoes();
  expect(there === undefined ? [] : places(there)).toEqual(way(name, RIGHT.netns));
});

/** Long enough for the kernel's word that a namespace was made to be heard, and no more. */
const NEWS_MS = 500;

it('sees the hooks of a namespace that a process went over to, which was there before', async () => {
  const address = '127.9.9.9';
  const inside = `ip link set lo up; sleep ${NEWS_MS / 1000}; ping -n -c 1 -W 1 ${address}; sleep 1`;
  // One process, which is known by the time it leaves its namespace.
  const child = spawn('sh', ['-c', `read go; exec unshare -n sh -c '${inside}'`], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  holders.push(child);
  await delay(LIMIT_MS);
  child.stdin?.write('\n');
  await once(child, 'exit');
  await trace.stop();
  const paths = trace
    .records<PathRecord>()
    .filter(({ hops }) => hops.some(({ tuple }) => [tuple?.src, tuple?.dst].includes(address)));
  const stages = paths.map(({ hops }) => hops.map(({ stage }) => stage));
  expect(stages.map((each) => each.filter((stage) => stage !== 'deliver'))).toEqual([
    ['egress', 'ingress', 'netfilter'],
    ['egress', 'ingress', 'netfilter'],
  ]);
  expect(paths.map(({ verdict }) => verdict)).toEqual(['delivered', 'delivered']);
});

it('keeps a namespace whose process ended, when another one has come to it', async () => {
  await makePair();
  const first = await processIn(LEFT.netns);
  await runCommand('umount', [`/run/netns/${LEFT.netns}`]);
  await runCommand('rm', [`/run/netns/${LEFT.netns}`]);
  await delay(LIMIT_MS);
  // It is known, and of another namespace, by the time it goes there.
  const second = spawn('sh', ['-c', `read go; exec nsenter --net=/proc/${first}/ns/net sleep 60`], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  holders.push(second);
  await delay(LIMIT_MS);
  second.stdin?.write('\n');
  const namespace = `/proc/${second.pid}/ns/net`;
  const inode = await readlink(`/proc/${first}/ns/net`);
  await expect.poll(() => readlink(namespace)).toBe(inode);
  process.kill(first);
  await delay(LIMIT_MS);
  await runCommand('nsenter', [
    ...[`--net=${namespace}`, 'ping', '-n', '-c', '1', '-W', '1', RIGHT.address],
  ]);
  const [there, back] = await echoes();
  expect(there === undefined ? [] : places(there)).toEqual(way(inode, RIGHT.netns));
  expect(back === undefined ? [] : places(back)).toEqual(way(RIGHT.netns, inode));
});

it('says once, and for all of them, that namespaces may not be entered', async () => {
  await makePair();
  const without = spawn(
    'setpriv',
    [
      ...['--bounding-set=-sys_admin', '--inh-caps=-sys_admin'],
      ...[process.execPath, MAIN, 'trace', '--json', '--duration', '1s'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  holders.push(without);
  const said = await text(without.stderr);
  const refused = said.split('\n').filter((line) => line.includes('EPERM'));
  expect(refused).toEqual([
    expect.stringMatching(
      /not seen: namespaces that may not be entered \(EPERM: CAP_SYS_ADMIN is needed\), in \/run\/netns\/\S+ and \d+ more, since \d{4}-/u,
    ),
  ]);
});
