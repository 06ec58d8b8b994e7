import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, it, test } from 'vitest';
import { ServiceManager } from '../../src/cli/service-manager.js';
import { serviceUnit } from '../../src/cli/service-unit.js';
import { Heartbeat } from '../../src/heartbeat.js';
import { Pipeline } from '../../src/pipeline.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { NotifyReceiver } from '../cli/notify-receiver.js';
import { MAIN } from '../scenario/hopscope-process.js';
import { TRACER_OBJECT } from './tracer-object.js';

const children: ChildProcess[] = [];
const receivers: NotifyReceiver[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const receiver of receivers.splice(0)) await receiver.end();
});

async function receive(name: string): Promise<{ socket: string; receiver: NotifyReceiver }> {
  const socket = `@hopscope-service-${name}-${process.pid}`;
  const receiver = await NotifyReceiver.start(socket);
  receivers.push(receiver);
  return { socket, receiver };
}

function start(
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): { child: ChildProcess; err: () => string } {
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...environment },
  });
  children.push(child);
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  return { child, err: () => err };
}

test('serve says when it is ready, that it drains, and that it stops', async () => {
  const { socket, receiver } = await receive('serve');
  const { child, err } = start([process.execPath, MAIN, 'serve', '--port', '0'], {
    NOTIFY_SOCKET: socket,
    WATCHDOG_USEC: '400000',
  });
  // What it gives the manager to keep is tested in restart.test.ts.
  const states = (): string[] => receiver.received.filter((one) => !one.startsWith('FDSTORE'));
  await expect.poll(() => states().length, { timeout: 30_000 }).toBeGreaterThan(3);
  expect(err()).toMatch(/^ready$/m);
  expect(states()[0]).toMatch(
    /^READY=1\nSTATUS=dashboard on http:\/\/127\.0\.0\.1:\d+; \d+ flows, \d+ lost$/,
  );
  expect(states().slice(1)).toEqual(
    states()
      .slice(1)
      .map(() => 'WATCHDOG=1'),
  );
  child.kill('SIGTERM');
  const [status] = (await once(child, 'close')) as [number | null];
  expect(status).toBe(0);
  expect(states().at(-1)).toBe('STOPPING=1');
});

test('when the drain has stopped it does not say that it lives, though timers go on', async () => {
  const { socket, receiver } = await receive('drain');
  const pipeline = new Pipeline(new KernelSource({ objectFile: TRACER_OBJECT, netns: ['host'] }));
  await pipeline.start();
  const manager = new ServiceManager({ socket, watchdogMs: 200 }, receiver.take, new Heartbeat());
  manager.ready(
    () => '',
    () => pipeline.drained,
  );
  await expect.poll(() => receiver.count('WATCHDOG=1'), { timeout: 10_000 }).toBeGreaterThan(3);
  await pipeline.stop();
  await wait(300);
  const before = receiver.count('WATCHDOG=1');
  await wait(1_000);
  expect(receiver.count('WATCHDOG=1')).toBe(before);
  manager.stopping();
});

describe('with the capabilities of the unit', () => {
  it('it sees what it sees as root: packets in another namespace, and nothing more is missing', async () => {
    const capabilities = (
      /^CapabilityBoundingSet=(.*)$/m.exec(serviceUnit({ config: null }))?.[1] ?? ''
    )
      .split(' ')
      .map((name) => `+${name.replace(/^CAP_/, '').toLowerCase()}`);
    const bounded = [
      'setpriv',
      '--bounding-set',
      ['-all', ...capabilities].join(','),
      '--no-new-privs',
    ];
    const missing = async (prefix: readonly string[]): Promise<string[]> => {
      const command = [...prefix, process.execPath, MAIN, 'flows', '--duration', '300ms'];
      const { child, err } = start(command);
      const [status] = (await once(child, 'close')) as [number | null];
      expect([status, err()]).toEqual([0, expect.stringMatching(/^ready$/m)]);
      return err()
        .split('\n')
        .filter((line) => line.includes('not seen'));
    };
    expect(await missing(bounded)).toEqual(await missing([]));
    const netns = 'hs-service-caps';
    execFileSync('ip', ['netns', 'add', netns]);
    try {
      execFileSync('ip', ['-n', netns, 'link', 'set', 'lo', 'up']);
      const args = ['trace', '--netns', netns, '--json', '--duration', '20s', 'icmp'];
      const [program = '', ...words] = [...bounded, process.execPath, MAIN, ...args];
      const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] });
      children.push(child);
      let out = '';
      let err = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        err += text;
      });
      await expect.poll(() => /^ready$/m.test(err), { timeout: 15_000 }).toBe(true);
      execFileSync('ip', ['netns', 'exec', netns, 'ping', '-c', '3', '-i', '0.2', '127.0.0.1']);
      await expect.poll(() => out, { timeout: 5_000 }).toContain(`"netns":"${netns}"`);
    } finally {
      execFileSync('ip', ['netns', 'del', netns]);
    }
  });
});

test('a kernel that says nothing of its types is not supported: status 3, and the remedy', async () => {
  const words = [process.execPath, MAIN, 'flows', '--duration', '1s'];
  const hidden = 'mount --bind /dev/null /sys/kernel/btf/vmlinux && exec "$@"';
  const { child, err } = start(['unshare', '--mount', 'sh', '-c', hidden, 'sh', ...words]);
  const [status] = (await once(child, 'close')) as [number | null];
  expect(status).toBe(3);
  expect(err()).toMatch(
    /^hopscope: .*BTF.* \[KERNEL_NOT_SUPPORTED\]\n {2}.*CONFIG_DEBUG_INFO_BTF.*\n$/,
  );
});
