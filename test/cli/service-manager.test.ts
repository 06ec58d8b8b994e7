import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest';
import { ServiceManager, takeServiceRequest } from '../../src/cli/service-manager.js';
import { Heartbeat } from '../../src/heartbeat.js';
import { log } from '../../src/logger.js';
import { NotifyReceiver } from './notify-receiver.js';

// The machine may be busy.
vi.setConfig({ testTimeout: 30_000 });

const folder = mkdtempSync(join(tmpdir(), 'hopscope-notify-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  log.level = 'error';
});
afterEach(() => {
  log.level = 'info';
});

describe('what the service manager asks for', () => {
  it.each([
    [{}, { socket: null, watchdogMs: null }],
    [{ NOTIFY_SOCKET: '' }, { socket: null, watchdogMs: null }],
    [{ NOTIFY_SOCKET: 'run/notify' }, { socket: null, watchdogMs: null }],
    [{ NOTIFY_SOCKET: 'vsock:2:1234' }, { socket: null, watchdogMs: null }],
    [{ NOTIFY_SOCKET: '/run/n' }, { socket: '/run/n', watchdogMs: null }],
    [
      { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '30000000' },
      { socket: '@n', watchdogMs: 30_000 },
    ],
    [
      { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '0' },
      { socket: '@n', watchdogMs: null },
    ],
    [
      { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: 'soon' },
      { socket: '@n', watchdogMs: null },
    ],
    [
      { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '1000', WATCHDOG_PID: '7' },
      { socket: '@n', watchdogMs: 1 },
    ],
    [
      { NOTIFY_SOCKET: '@n', WATCHDOG_USEC: '1000', WATCHDOG_PID: '8' },
      { socket: '@n', watchdogMs: null },
    ],
    [{ WATCHDOG_USEC: '1000' }, { socket: null, watchdogMs: null }],
  ])('%j: %j, and no child process is asked too', (environment, request) => {
    const left: NodeJS.ProcessEnv = { PATH: '/bin', ...environment };
    expect(takeServiceRequest(left, 7)).toEqual(request);
    expect(left).toEqual({ PATH: '/bin' });
  });
});

/** The value once it stays the same for a while: on a busy machine what was sent comes late. */
async function settled(read: () => number): Promise<number> {
  for (;;) {
    const value = read();
    await wait(400);
    if (read() === value) return value;
  }
}

test.each([
  ['a path', join(folder, 'notify')],
  ['an abstract name', `@hopscope-notify-${process.pid}`],
])('says by %s when it is ready, that it lives, and that it stops', async (_, socket) => {
  const receiver = await NotifyReceiver.start(socket);
  try {
    const manager = new ServiceManager({ socket, watchdogMs: 200 }, receiver.take, new Heartbeat());
    let drained = 0n;
    const draining = setInterval(() => {
      drained += 1n;
    }, 20);
    manager.ready(
      () => 'all well',
      () => drained,
    );
    await expect.poll(() => receiver.count('WATCHDOG=1')).toBeGreaterThan(2);
    expect(receiver.received[0]).toBe('READY=1\nSTATUS=all well');
    // The event loop goes on, the timer too; nothing is drained.
    clearInterval(draining);
    const before = await settled(() => receiver.count('WATCHDOG=1'));
    await wait(800);
    expect(receiver.count('WATCHDOG=1')).toBe(before);
    drained += 1n;
    await expect.poll(() => receiver.count('WATCHDOG=1')).toBe(before + 1);
    manager.stopping();
    manager.stopping();
    drained += 1n;
    await expect.poll(() => receiver.received.at(-1)).toBe('STOPPING=1');
    await wait(300);
    expect(receiver.count('STOPPING=1')).toBe(1);
    expect(receiver.count('WATCHDOG=1')).toBe(before + 1);
  } finally {
    await receiver.end();
  }
});

test('says in time that it lives where the event loop is late for every beat', async () => {
  const socket = join(folder, 'late');
  const receiver = await NotifyReceiver.start(socket);
  let drained = 0n;
  const busy = setInterval(() => {
    drained += 1n;
    const until = performance.now() + 400;
    while (performance.now() < until) {
      // Packets are joined.
    }
  }, 1);
  const manager = new ServiceManager({ socket, watchdogMs: 1_000 }, receiver.take, new Heartbeat());
  try {
    manager.ready(
      () => 's',
      () => drained,
    );
    await wait(3_500);
    clearInterval(busy);
    await wait(200);
    // Each second beat is one.
    expect(receiver.count('WATCHDOG=1')).toBeGreaterThanOrEqual(3);
  } finally {
    clearInterval(busy);
    manager.stopping();
    await receiver.end();
  }
});

test('without a watchdog it says nothing of living; stopped before it was ready, not that it is', async () => {
  const socket = join(folder, 'quiet');
  const receiver = await NotifyReceiver.start(socket);
  try {
    let drained = 0n;
    const nextDrained = (): bigint => {
      drained += 1n;
      return drained;
    };
    const manager = new ServiceManager(
      { socket, watchdogMs: null },
      receiver.take,
      new Heartbeat(),
    );
    manager.ready(() => 's', nextDrained);
    await wait(300);
    manager.stopping();
    const late = new ServiceManager({ socket, watchdogMs: 200 }, receiver.take, new Heartbeat());
    late.stopping();
    late.ready(() => 's', nextDrained);
    await wait(400);
    expect(receiver.received).toEqual(['READY=1\nSTATUS=s', 'STOPPING=1', 'STOPPING=1']);
  } finally {
    await receiver.end();
  }
});

test('where there is no service manager, nothing is said', async () => {
  const said: string[] = [];
  const manager = new ServiceManager(
    { socket: null, watchdogMs: null },
    (state) => said.push(state),
    new Heartbeat(),
  );
  manager.ready(
    () => 's',
    () => 1n,
  );
  manager.stopping();
  await wait(300);
  expect(said).toEqual([]);
});
