import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { undoAll } from './cleanup.mjs';
import { loadProgram } from './load-program.mjs';

/** Of loopback, and of no other test. */
const PORT = '5209';
const run = promisify(execFile);

let sink: ChildProcess;
let written: Promise<string>;
beforeEach(async () => {
  const started = spawn(loadProgram(), ['sink', PORT], { stdio: ['pipe', 'pipe', 'pipe'] });
  sink = started;
  written = text(started.stdout);
  await once(started.stderr, 'data');
});
afterEach(() => {
  sink.kill('SIGKILL');
  undoAll();
});

async function load(mode: string, ...args: number[]): Promise<string> {
  const { stdout } = await run(loadProgram(), [mode, '127.0.0.1', PORT, ...args.map(String)]);
  return stdout;
}

async function arrived() {
  sink.stdin?.end();
  return JSON.parse(await written);
}

test('datagrams keep their pace, and as many arrive as are said to have been sent', async () => {
  const { sent, failed, seconds } = JSON.parse(await load('udp', 10, 1, 2000, 64, 20_000));
  expect(failed).toBe(0);
  expect(seconds).toBeGreaterThanOrEqual(1);
  // The pace is over all flows; a busy machine may be late with the last.
  expect(sent).toBeGreaterThan(1000);
  expect(sent).toBeLessThanOrEqual(Math.ceil(seconds * 2000) + 1);
  expect(await arrived()).toMatchObject({ udpPackets: sent, udpBytes: sent * 64 });
});

test('each request has its answer, and the latencies are in order', async () => {
  const { transactions, p50Ns, p99Ns, maxNs } = JSON.parse(await load('rr', 20, 1));
  expect(transactions).toBeGreaterThan(20);
  expect(p50Ns).toBeGreaterThan(0);
  expect(p99Ns).toBeGreaterThanOrEqual(p50Ns);
  // A latency is known by its bucket's lower end.
  expect(maxNs).toBeGreaterThanOrEqual(p99Ns);
  expect(await arrived()).toMatchObject({ udpPackets: 0, streamBytes: 0 });
});

test('a stream arrives, but for what is still on its way', async () => {
  const { sentBytes } = JSON.parse(await load('stream', 3, 1));
  const { streamBytes } = await arrived();
  expect(streamBytes).toBeGreaterThan(0);
  expect(streamBytes).toBeLessThanOrEqual(sentBytes);
});

test('probes come from a new port each, stamped with the clock that Node has', async () => {
  const before = process.hrtime.bigint();
  const lines = (await load('probe', 3, 20, 30_000)).trimEnd().split('\n');
  const after = process.hrtime.bigint();
  const [ports, times] = [0, 1].map((field) => lines.map((line) => line.split(' ')[field] ?? ''));
  expect(ports).toEqual(['30000', '30001', '30002']);
  const stamps = (times ?? []).map(BigInt);
  expect([before, ...stamps, after]).toEqual(
    [before, ...stamps, after].sort((a, b) => (a < b ? -1 : 1)),
  );
  expect(Number((stamps[2] ?? 0n) - (stamps[0] ?? 0n))).toBeGreaterThanOrEqual(39e6);
  expect(await arrived()).toMatchObject({ udpPackets: 3 });
});

test('what it does not understand it refuses', async () => {
  await expect(load('flood', 1)).rejects.toMatchObject({ code: 2 });
  await expect(
    run(loadProgram(), ['udp', 'nowhere', PORT, '1', '1', '0', '64', '1']),
  ).rejects.toMatchObject({
    code: 2,
  });
});
