import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { SLOW_TICK_MS, TICK_MS } from 'hopscope-protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { CatalogEndpoint } from '../../src/name/catalog.js';
import type { NamedGroup } from '../../src/name/cluster-names.js';
import { CHANNEL_BACKLOG_LIMIT, CLUSTER_NAMES_PER_TICK } from '../../src/serve/limits.js';
import { ServerProcess, type ServerProcessOptions } from '../../src/serve/server-process.js';
import { hopscope, MAIN } from '../cli/command-line.js';
import { ADDRESSES } from '../fixtures/places.js';
import { LoadedCollector } from './loaded-collector.js';
import { serverOptions } from './server-options.js';
import { SocketClient } from './socket-client.js';

const FLOOD = fileURLToPath(new URL('./children/flood.mjs', import.meta.url));
const ROGUE = fileURLToPath(new URL('./children/rogue.mjs', import.meta.url));
const COMPLAINING = fileURLToPath(new URL('children/complaining.mjs', import.meta.url));
const RECORDING = fileURLToPath(
  new URL('../../src/source/demo-recording.hops.gz', import.meta.url),
);
const FLOWS = 2000;
/** Changed rows that take several times what may wait in the channel. */
const CHANGES_PAST_BACKLOG = 20_000;

// Processes are started and ended, and the machine may be busy.
vi.setConfig({ testTimeout: 60_000 });

let loaded: LoadedCollector;
let server: ServerProcess;
let warnings: string[];
let ended: (() => void)[];

const options = (some: Partial<ServerProcessOptions> = {}): ServerProcessOptions =>
  serverOptions(loaded, warnings, some);

beforeEach(async () => {
  loaded = new LoadedCollector();
  warnings = [];
  ended = [];
  server = await ServerProcess.start(options());
});

afterEach(async () => {
  for (const end of ended) end();
  loaded.stop();
  await server.close();
});

async function open(): Promise<SocketClient> {
  const client = await SocketClient.open(server.url);
  ended.push(() => client.socket.terminate());
  return client;
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`hopscope_${name} `));
  return Number(line?.split(' ')[1]);
}

/** Resolves once nothing listens on the port. */
async function untilClosed(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const open = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (!open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Resolves once the collector was given so many packets, however long that takes. */
async function untilPackets(packets: number): Promise<void> {
  while (loaded.packets < packets) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Counts the bytes that this process writes to sockets from now on, until it is asked once. */
function countWritten(): () => number {
  let bytes = 0;
  const { write } = Duplex.prototype;
  const spy = vi.spyOn(Duplex.prototype, 'write').mockImplementation(function (
    this: Duplex,
    ...args: unknown[]
  ): boolean {
    bytes += Buffer.byteLength(args[0] as string | Uint8Array);
    return Reflect.apply(write, this, args);
  });
  ended.push(() => spy.mockRestore());
  return () => {
    spy.mockRestore();
    return bytes;
  };
}

/** Whether it runs: one that has ended may wait for a parent to take notice. */
function alive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('rows come to a client soon after their packets', async () => {
  loaded.change([1000]);
  const client = await open();
  await client.next('flows', ({ rows }) => rows.length === 1);
  const took: number[] = [];
  for (let packets = 2; packets < 22; packets++) {
    await new Promise((resolve) => setTimeout(resolve, (packets * 37) % 90));
    const from = client.messages.length;
    const begun = performance.now();
    loaded.change([1000]);
    await client.next('flows', ({ rows }) => rows[0]?.packets === String(packets), from);
    took.push(performance.now() - begun);
  }
  took.sort((a, b) => a - b);
  expect(took[10]).toBeLessThan(1.5 * TICK_MS);
});

test('details, pages and figures come from the collector', async () => {
  loaded.change([1000, 1001, 1002]);
  const client = await open();
  const { rows } = await client.next('flows', (message) => message.rows.length === 3);
  const id = rows.find((row) => row.src.port === 1001)?.id ?? 'none';
  client.send({ type: 'subscribe', id });
  const message = await client.next('flow');
  expect(message).toMatchObject({ id, flow: { id, packets: { original: '1' } }, pathIds: [{}] });
  expect(message.paths.map((path) => path.flow)).toEqual([id]);
  const get = async (path: string): Promise<Record<string, unknown>> =>
    (await (await fetch(server.url + path)).json()) as Record<string, unknown>;
  expect(await get(`/api/flows/${id}`)).toMatchObject({ flow: { id }, paths: [{ flow: id }] });
  const first = await get('/api/flows?limit=2');
  const second = await get(`/api/flows?limit=2&cursor=${String(first['next'])}`);
  const ids = [first, second].flatMap(({ flows }) => flows as { id: string }[]);
  expect(ids.map((flow) => flow.id)).toEqual(rows.map((row) => row.id));
  expect(second['next']).toBeNull();
  expect(await get('/api/flows?q=port:1001')).toMatchObject({ flows: [{ id }], next: null });
  const sorted = await get('/api/flows?q=port:1001+or+port:1002&sort=start');
  expect(sorted).toMatchObject({ flows: [{ id }, {}], looked: 3, total: 3, isWhole: true });
  await expect.poll(() => metric('flows')).toBe(3);
});

test('killed under load, it is there again on the same port, and collecting goes on', async () => {
  loaded.load(50, FLOWS);
  const client = await open();
  await client.next('flows', ({ rows }) => rows.length > 100);
  const { port, pid } = server;
  const gone = once(client.socket, 'close');
  process.kill(pid ?? 0, 'SIGKILL');
  await gone;
  const packets = loaded.packets;
  await expect
    .poll(() => open().catch(() => null), { timeout: 10_000 })
    .toBeInstanceOf(SocketClient);
  expect(server.port).toBe(port);
  expect(server.pid).not.toBe(pid);
  const again = await open();
  const { reset } = await again.next('flows');
  expect(reset).toBe(true);
  await again.next('flows', ({ rows }) => rows.length > 100);
  expect(loaded.packets).toBeGreaterThan(packets);
  expect(await metric('server_restarts_total')).toBe(1);
  expect(warnings).toEqual([expect.stringMatching(/has ended \(SIGKILL\).*started again/)]);
});

test('one that is started again has the names of a cluster before the first row', async () => {
  const { cluster } = loaded.pipeline.names;
  const pod = (ip: string, name: string): NamedGroup<CatalogEndpoint> => [
    ip,
    [{ ip, name, kind: 'pod', node: 'n2' }],
  ];
  const others = Array.from({ length: 3 * CLUSTER_NAMES_PER_TICK }, (_, n) =>
    pod(`10.9.${n >> 8}.${n & 255}`, `pod-${n}`),
  );
  cluster.change({ endpoints: [...others, pod(ADDRESSES.pod2, 'web-1')], services: [] });
  const named = (client: SocketClient, name: string): Promise<unknown> =>
    client.next('flows', ({ rows }) => rows[0]?.dstName === name);
  loaded.change([1000]);
  const client = await open();
  await named(client, 'web-1');
  const gone = once(client.socket, 'close');
  process.kill(server.pid ?? 0, 'SIGKILL');
  await gone;
  await expect
    .poll(() => open().catch(() => null), { timeout: 10_000 })
    .toBeInstanceOf(SocketClient);
  const again = await open();
  const { rows } = await again.next('flows', (message) => message.rows.length > 0);
  expect(rows[0]?.dstName).toBe('web-1');
  // No packet comes any more: the row has the name that has come after it.
  cluster.change({ endpoints: [pod(ADDRESSES.pod2, 'web-2')], services: [] });
  await named(again, 'web-2');
});

test('stopped under load, it costs the collector nothing, and goes on with the newest', async () => {
  loaded.load(50, FLOWS);
  const client = await open();
  await client.next('flows', ({ rows }) => rows.length > 100);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  // What the load and a busy machine do by themselves.
  await untilPackets(loaded.packets + 2 * FLOWS);
  const without = delay.percentile(99) / 1e6;
  const pid = server.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  delay.reset();
  const written = countWritten();
  // Each is a change of a row: a channel without a bound would take all of them.
  await untilPackets(loaded.packets + CHANGES_PAST_BACKLOG);
  delay.disable();
  const waiting = written();
  const stoppedAt = loaded.packets;
  process.kill(pid, 'SIGCONT');
  // What it was not sent lies nowhere.
  expect(waiting).toBeLessThan(2 * CHANNEL_BACKLOG_LIMIT);
  expect(delay.percentile(99) / 1e6).toBeLessThan(3 * without + 100);
  const from = client.messages.length;
  const newest = Math.floor(stoppedAt / FLOWS);
  const isNew = ({ packets }: { packets: string }): boolean => Number(packets) >= newest;
  await client.next('flows', ({ rows }) => rows.some(isNew), from);
  await expect.poll(() => metric('channel_ticks_skipped_total')).toBeGreaterThan(20);
});

test('a flood of clients does not slow the collector', async () => {
  loaded.load(50, FLOWS);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  // What the load and a busy machine do by themselves.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const without = delay.percentile(99) / 1e6;
  delay.reset();
  const flood = spawn(process.execPath, [FLOOD, server.url, '32', '4'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  flood.stdout.on('data', (chunk: Buffer) => {
    text += String(chunk);
  });
  await once(flood, 'close');
  delay.disable();
  const got = JSON.parse(text) as { messages: number; pages: number };
  expect(got.messages).toBeGreaterThan(100);
  expect(got.pages).toBeGreaterThan(0);
  // Two thousand whole records at once, as one page has them, would take some 200 ms.
  expect(delay.percentile(99) / 1e6).toBeLessThan(3 * without + 100);
  expect(warnings).toEqual([]);
  expect((await fetch(`${server.url}/metrics`)).status).toBe(200);
});

test('nobody watching, nothing is made for it', async () => {
  const client = await open();
  await client.next('flows');
  await client.close();
  // A page that is loaded anew is back at once, so it is not given up at once.
  await new Promise((resolve) => setTimeout(resolve, 1.5 * SLOW_TICK_MS));
  loaded.change([1000]);
  await new Promise((resolve) => setTimeout(resolve, 3 * TICK_MS));
  expect([await metric('clients'), await metric('rows')]).toEqual([0, 0]);
  const again = await open();
  await again.next('flows', ({ rows }) => rows.length === 1);
});

describe('what it cannot do is an error with a code', () => {
  test.each([
    ['a port that is taken', () => ({ port: server.port }), 'address-in-use'],
    ['an address of another machine', () => ({ host: '192.0.2.1' }), 'address-not-available'],
    ['a program that is not there', () => ({ program: '/nonexistent' }), 'server-process'],
  ])('%s', async (_name, some, code) => {
    await expect(ServerProcess.start(options(some()))).rejects.toMatchObject({ code });
  });

  test('of the command line: status 1, and never ready', async () => {
    const { status, err } = await hopscope(
      ...['replay', RECORDING, '--serve', '--port', String(server.port)],
    );
    expect(status).toBe(1);
    expect(err).toContain('[address-in-use]');
    expect(err).not.toMatch(/^ready$/m);
  });
});

test.each([
  ['a frame too large', 0, 'frame-too-large'],
  ['no JSON', 1, 'bad-message'],
  ['a question about nothing known', 2, 'bad-message'],
  ['more messages than it has reason to send', 3, 'too-many-messages'],
])('one that sends %s is stopped, and started again', async (_name, port, code) => {
  const rogue = await ServerProcess.start(options({ port, program: ROGUE }));
  const pid = rogue.pid;
  await expect.poll(() => warnings.join('\n')).toContain(`[${code}]`);
  await expect.poll(() => rogue.pid !== undefined && rogue.pid !== pid).toBe(true);
  await rogue.close();
});

describe('when the collector ends', () => {
  async function start(): Promise<{ collector: ChildProcess; port: number; serving: number }> {
    const collector = spawn(process.execPath, [MAIN, 'replay', RECORDING, '--serve', '-p', '0'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    ended.push(() => collector.kill('SIGKILL'));
    let said = '';
    collector.stderr?.on('data', (chunk: Buffer) => {
      said += String(chunk);
    });
    await expect.poll(() => /^ready$/m.test(said), { timeout: 20_000 }).toBe(true);
    const port = Number(/dashboard on http:\S+:(\d+)/.exec(said)?.[1]);
    // Ready is said when it listens, not before.
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    const { pid } = collector;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return { collector, port, serving: Number(children.trim()) };
  }

  test('however it does, the server process ends too', async () => {
    const { collector, port, serving } = await start();
    expect(alive(serving)).toBe(true);
    collector.kill('SIGKILL');
    await untilClosed(port);
    await expect.poll(() => alive(serving)).toBe(false);
  });

  test('asked to, it closes its clients, and nothing is left', async () => {
    const { collector, port, serving } = await start();
    const client = await SocketClient.open(`http://127.0.0.1:${port}`);
    const closed = once(client.socket, 'close') as Promise<[number]>;
    const exited = once(collector, 'exit') as Promise<[number]>;
    collector.kill('SIGINT');
    expect((await closed)[0]).toBe(1001);
    expect((await exited)[0]).toBe(0);
    expect(alive(serving)).toBe(false);
  });

  test('Ctrl-C goes to both, and is for the collector', async () => {
    const { collector, serving } = await start();
    process.kill(serving, 'SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(alive(serving)).toBe(true);
    const exited = once(collector, 'exit') as Promise<[number]>;
    collector.kill('SIGINT');
    expect((await exited)[0]).toBe(0);
  });
});

test('what it says when it ends badly is passed on by lines', async () => {
  const lines: string[] = [];
  const onOutput = (line: string): unknown => lines.push(line);
  await expect(ServerProcess.start(options({ program: COMPLAINING, onOutput }))).rejects.toThrow(
    'has ended: status 7',
  );
  await expect.poll(() => lines).toEqual(['<--- Last few GCs --->', 'FATAL ERROR']);
});

test('a signal to all of a service leaves its end to the one that watches', async () => {
  process.kill(server.pid ?? 0, 'SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  expect(warnings).toEqual([]);
});
