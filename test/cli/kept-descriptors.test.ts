import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  KEPT_DESCRIPTORS_LIMIT,
  KeptDescriptors,
  STATES_LIMIT,
  takeStoredDescriptors,
} from '../../src/cli/kept-descriptors.js';
import { log } from '../../src/logger.js';

// The machine may be busy.
vi.setConfig({ testTimeout: 30_000 });

/** Binds, says so, and reads when it is asked to: a line for each message and its descriptors. */
const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(chr(0) + sys.argv[1][1:])
print('bound', flush=True)
sys.stdin.readline()
while True:
    data, fds, _, _ = socket.recv_fds(s, 65536, 253)
    print(data.decode().replace(chr(10), ' '), len(fds), flush=True)
`;
const children: ChildProcess[] = [];
beforeEach(() => {
  log.level = 'error';
});
afterEach(() => {
  log.level = 'info';
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function receiver(name: string) {
  const address = `@hopscope-kept-${name}-${process.pid}`;
  const child = spawn('python3', ['-c', RECEIVER, address], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  await once(reader, 'line');
  reader.on('line', (line) => lines.push(line));
  return { address, lines, read: () => child.stdin.write('\n') };
}

describe('what was kept for this process', () => {
  it.each([
    [{}, []],
    [{ LISTEN_PID: '7', LISTEN_FDS: '1' }, [{ name: '', descriptor: 3 }]],
    [
      { LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: 'a:b' },
      [
        { name: 'a', descriptor: 3 },
        { name: 'b', descriptor: 4 },
      ],
    ],
    [{ LISTEN_PID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'a:b' }, [{ name: 'a', descriptor: 3 }]],
    [{ LISTEN_PID: '8', LISTEN_FDS: '1', LISTEN_FDNAMES: 'a' }, []],
    [{ LISTEN_PID: '7', LISTEN_FDS: '-1', LISTEN_FDNAMES: 'a' }, []],
    [{ LISTEN_PID: '7', LISTEN_FDS: 'all', LISTEN_FDNAMES: 'a' }, []],
    [{ LISTEN_FDS: '1', LISTEN_FDNAMES: 'a' }, []],
  ])('%j: %j, and no child process is given it', (environment, stored) => {
    const left: NodeJS.ProcessEnv = { PATH: '/bin', ...environment };
    expect(takeStoredDescriptors(left, 7)).toEqual(stored);
    expect(left).toEqual({ PATH: '/bin' });
  });
});

describe('the service manager’s store', () => {
  it('keeps what is given to it under a name, until it is forgotten', async () => {
    const { address, lines, read } = await receiver('names');
    read();
    const kept = new KeptDescriptors(address, [{ name: 'old', descriptor: 1 }]);
    expect(kept.take()).toEqual([{ name: 'old', descriptor: 1 }]);
    expect(kept.take()).toEqual([]);
    expect(kept.keep('tcx-1', [0, 1])).toBe(true);
    kept.notify('READY=1');
    kept.forget('old');
    kept.forget('tcx-1');
    kept.forget('tcx-1');
    await expect.poll(() => lines.length).toBe(4);
    expect(lines).toEqual([
      'FDSTORE=1 FDPOLL=0 FDNAME=tcx-1 2',
      'READY=1 0',
      'FDSTOREREMOVE=1 FDNAME=old 0',
      'FDSTOREREMOVE=1 FDNAME=tcx-1 0',
    ]);
  });

  it('refuses what is past its limit, what was left by another process included', async () => {
    const { address } = await receiver('limit');
    const kept = new KeptDescriptors(address, [{ name: 'old', descriptor: 1 }], 5);
    expect(kept.keep('a', [0, 1])).toBe(true);
    expect(kept.keep('b', [0, 1])).toBe(true);
    expect(kept.keep('c', [0])).toBe(false);
    kept.forget('a');
    expect(kept.keep('c', [0, 1])).toBe(true);
    expect(kept.keep('d', [0])).toBe(false);
  });

  it('waits for a manager that is busy, in order, and sends nothing of what was forgotten', async () => {
    const { address, lines, read } = await receiver('busy');
    const kept = new KeptDescriptors(address, []);
    for (let n = 0; n < STATES_LIMIT - 10; n++) kept.notify(`STATUS=${n}`);
    expect(kept.keep('a', [0])).toBe(true);
    expect(kept.keep('b', [0])).toBe(true);
    kept.forget('a');
    const flushed = kept.flush();
    read();
    await flushed;
    await expect.poll(() => lines.length).toBe(STATES_LIMIT - 10 + 2);
    expect(lines.slice(0, STATES_LIMIT - 10)).toEqual(
      Array.from({ length: STATES_LIMIT - 10 }, (_, n) => `STATUS=${n} 0`),
    );
    expect(lines.slice(-2)).toEqual([
      'FDSTORE=1 FDPOLL=0 FDNAME=b 1',
      'FDSTOREREMOVE=1 FDNAME=a 0',
    ]);
  });

  it('drops words past their limit while the manager hangs', async () => {
    const { address, lines, read } = await receiver('words');
    const kept = new KeptDescriptors(address, []);
    for (let n = 0; n < 5 * STATES_LIMIT; n++) kept.notify(`STATUS=${n}`);
    read();
    await kept.flush();
    // Those that its queue took, and those that waited.
    expect(lines.length).toBeLessThanOrEqual(STATES_LIMIT + 32);
  });

  it('has names that fit into one variable of the environment', () => {
    const longest = 'tcx-1z141z3-zzzzzz-p:'.length;
    expect(KEPT_DESCRIPTORS_LIMIT * longest).toBeLessThan(128 << 10);
  });
});
