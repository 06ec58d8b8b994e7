import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { REQUEST_GAP_MS } from '../../src/source/governor.js';
import {
  FAR,
  makeTunnel,
  NEAR,
  PORT,
  removeTunnel,
  shapeOf,
  shapesOf,
  type Watch,
  watchTunnel,
} from './sampled.js';

const AUTO = { mode: 'auto', budget: 0.05 } as const;
const FLOOD_MS = 4_000;
const LISTEN = `
const socket = require('node:dgram').createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
socket.on('message', () => {}).bind(${PORT}, () => console.log('ready'));
`;
const flood = (ms: number, most: number): string => `
const socket = require('node:dgram').createSocket('udp4');
const end = Date.now() + ${ms};
let left = ${most};
socket.connect(${PORT}, '${FAR.inside}', function next() {
  if (Date.now() < end && left-- > 0) socket.send('x', next);
  else socket.close();
});
`;

let listener: ChildProcess | null = null;
let watch: Watch | null = null;

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await makeTunnel();
  listener = spawn('ip', ['netns', 'exec', FAR.netns, process.execPath, '-e', LISTEN], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (listener.stdout !== null) await once(listener.stdout, 'data');
});
afterEach(async () => {
  await watch?.pipeline.stop();
  watch = null;
});
afterAll(async () => {
  listener?.kill();
  await removeTunnel();
});

async function begin(sampling: Parameters<typeof watchTunnel>[0]): Promise<Watch> {
  watch = await watchTunnel(sampling);
  // Until the process has warmed up.
  await delay(500);
  return watch;
}

const send = (ms: number, most = 1e9): Promise<string> =>
  runIn(NEAR.netns, process.execPath, ['-e', flood(ms, most)]);

async function ping(count: number): Promise<void> {
  await runIn(NEAR.netns, 'ping', ['-n', '-q', '-c', String(count), '-i', '0.01', FAR.inside]);
}

describe('while little passes', () => {
  it('every packet is traced, and none is cut off', async () => {
    const { finished, modes, pipeline, source } = await begin(AUTO);
    await ping(100);
    await delay(300);
    const echoes = finished.filter(({ path }) => path.protocol === 1);
    expect(echoes.length).toBe(200);
    expect([...shapesOf(echoes).values()]).toEqual([100, 100]);
    expect(echoes.filter(({ path }) => path.cutByWindow !== 0)).toEqual([]);
    expect(modes).toEqual([]);
    expect(source.sampling().windows).toEqual({ opened: 0, requested: 0, crowded: 0 });
    const { sampling } = pipeline.quality();
    expect(sampling).toMatchObject({ mode: 'auto', sees: 'all', detail: 'all', budget: 0.05 });
    expect(sampling?.cost).not.toBeNull();
    expect(Number(sampling?.traced)).toBeGreaterThanOrEqual(200);
  });
});

describe('while much passes', () => {
  it('what windows show whole is whole, and afterwards all is traced again', async () => {
    const reference = await begin({ mode: 'all' });
    await send(1_000, 20);
    await ping(5);
    await delay(300);
    await reference.pipeline.stop();
    const whole = new Set(reference.finished.map(shapeOf));

    const { finished, modes, pipeline, source } = await begin(AUTO);
    const began = performance.now();
    await send(FLOOD_MS);
    const ended = performance.now();
    expect(modes[0]?.mode).toBe('windows');
    expect((modes[0]?.at ?? 0) - began).toBeLessThan(2_000);
    expect(pipeline.quality().sampling?.detail).toBe('edges');
    const { opened } = source.sampling().windows;
    expect(opened).toBeGreaterThanOrEqual(2);
    // Two seconds on a machine that is not busy with something else; see governor.test.ts.
    for (let i = 0; modes.length < 2 && i < 80; i++) await delay(100);
    expect(modes.map(({ mode }) => mode)).toEqual(['windows', 'open']);
    process.stderr.write(`open again after ${Math.round((modes[1]?.at ?? 0) - ended)} ms\n`);
    expect(pipeline.quality().sampling).toMatchObject({ sees: 'all', detail: 'all' });
    // All the flood's, from when windows had begun.
    const during = finished.filter(({ path }) => path.protocol === 17);
    const seen = during.filter(({ path }) => path.cutByWindow === 0);
    const wrong = seen.filter((one) => one.verdict === 'delivered' && !whole.has(shapeOf(one)));
    expect([...shapesOf(wrong)]).toEqual([]);
    const unknown = seen.filter(({ verdict }) => verdict !== 'delivered' && verdict !== 'dropped');
    expect([...shapesOf(unknown)]).toEqual([]);
    expect(seen.length).toBeGreaterThan(100 * opened);
    const cut = during.length - seen.length;
    expect(pipeline.joiner.counters.cutByWindow).toBeGreaterThanOrEqual(cut);
    expect(source.lost()).toBe(0n);

    finished.splice(0);
    await ping(50);
    await delay(300);
    const echoes = finished.filter(({ path }) => path.protocol === 1);
    expect([...shapesOf(echoes).values()]).toEqual([50, 50]);
    expect(echoes.every((one) => whole.has(shapeOf(one)))).toBe(true);
  });

  it('all of it is traced when all of it is asked for', async () => {
    const { modes, pipeline, source, finished } = await begin({ mode: 'all' });
    await send(500);
    await delay(300);
    expect([modes, source.sampling().windows.opened]).toEqual([[], 0]);
    expect(finished.length).toBeGreaterThan(100);
    expect(finished.every(({ path }) => path.cutByWindow === 0)).toBe(true);
    expect(pipeline.quality().sampling).toMatchObject({ mode: 'all', budget: null, cost: null });
  });

  it('somebody who watches gets a window at once, and not one after the other', async () => {
    const { modes, source } = await begin(AUTO);
    const flooding = send(FLOOD_MS);
    for (let i = 0; modes.length === 0 && i < 40; i++) await delay(50);
    await delay(700);
    const before = source.sampling().windows;
    const from = performance.now();
    for (let i = 0; i < 50; i++) {
      source.request();
      await delay(20);
    }
    const after = source.sampling().windows;
    expect(after.requested - before.requested).toBeGreaterThanOrEqual(1);
    const elapsed = performance.now() - from;
    expect(after.opened - before.opened).toBeLessThanOrEqual(elapsed / REQUEST_GAP_MS + 1);
    await flooding;
  });
});
