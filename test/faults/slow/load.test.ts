import { setTimeout as delay } from 'node:timers/promises';
import type { PathRecord } from 'hopscope-protocol';
import { expect, test } from 'vitest';
import { type CpuCgroup, cpuCgroup } from '../../fixtures/cgroup.js';
import { sceneForAll } from '../faulty-scene.js';
import { outcome } from '../outcome.js';
import { flowFrom, recordsOf } from '../records.js';

/** What hopscope may take of a core: then ten times its load is nothing for the machine. */
const SHARE = 0.25;
const SECONDS = 8;
/** Far more than it can take. */
const FLOOD_PER_TICK = 300;
const FACTORS = [1, 3, 10];
const FIRST_PORT = 6500;
const ALL = ['--json', '--sample', 'all', '--memory', '384M'];

let group: CpuCgroup | null = null;
const scene = sceneForAll(async () => {
  await delay(500);
  group?.remove();
  group = null;
});

/** What is sent within some seconds from a port, at so many each 10 ms. */
async function sendFor(port: number, perTick: number): Promise<number> {
  const sender = await scene.send(port, perTick);
  await delay(SECONDS * 1000);
  const sent = await sender.stop();
  // Read at its own speed, as under load.
  await delay(1000);
  return sent;
}

/** How many packets in each 10 ms are joined with its share of a core, when more come. */
async function whatItTakes(): Promise<number> {
  const limited = cpuCgroup();
  group = limited;
  const flows = await scene.ready(['flows', ...ALL], limited.wrapper, []);
  limited.limit(SHARE);
  const sender = await scene.send(FIRST_PORT, FLOOD_PER_TICK);
  // Its code is compiled by and by, and the ring is filled.
  await delay(6000);
  const pathsNow = (): number => Number(flowFrom(flows.out, FIRST_PORT)?.sampled.paths ?? 0);
  const before = pathsNow();
  await delay(SECONDS * 1000);
  const shown = pathsNow() - before;
  await sender.stop();
  limited.limit(null);
  expect(await flows.end('SIGTERM')).toBe(0);
  await flows.expectNothingLeft();
  limited.remove();
  group = null;
  expect(shown).toBeGreaterThan(0);
  return Math.max(1, Math.round(shown / SECONDS / 100));
}

test('1, 3 and 10 times as many packets as it can take: each is a path, or one that its flow lost', async () => {
  const perTick = await whatItTakes();
  group = cpuCgroup();
  // Of a part of the machine nobody can say what is lost.
  const flows = await scene.ready(['flows', ...ALL], group.wrapper, []);
  await delay(1000);
  group.limit(SHARE);
  const sent: number[] = [];
  for (const [index, factor] of FACTORS.entries()) {
    sent.push(await sendFor(FIRST_PORT + 10 + index, factor * perTick));
  }
  group.limit(null);
  // Until it is certain that what was not shown will not be.
  await delay(10_000);
  expect(await flows.end('SIGTERM')).toBe(0);
  await flows.expectNothingLeft();
  const shares: string[] = [];
  for (const [index, factor] of FACTORS.entries()) {
    const { packets, sampled, lost } = flowFrom(flows.out, FIRST_PORT + 10 + index) ?? {};
    expect({ factor, packets: packets?.original, of: sampled?.of }).toEqual({
      ...{ factor, packets: String(sent[index]), of: String(sent[index]) },
    });
    const paths = Number(sampled?.paths);
    expect({ factor, sum: paths + Number(lost) }).toEqual({ factor, sum: sent[index] });
    shares.push(`${factor}×: ${Math.round((100 * paths) / Number(sent[index]))} %`);
    if (factor === FACTORS.at(-1)) expect(Number(lost)).toBeGreaterThan(0);
  }
  const said = Number(/^hopscope: (\d+) events lost/m.exec(flows.err)?.[1] ?? 0);
  expect(said).toBeGreaterThan(0);
  outcome(
    '1, 3 and 10 times the load it can take',
    `traced ${shares.join(', ')}; packets exact, paths and lost add up to them`,
  );
}, 240_000);

test('10 times as many packets as it can take: a path that lacks a hop says so', async () => {
  const perTick = await whatItTakes();
  group = cpuCgroup();
  const trace = await scene.ready(['trace', ...ALL], group.wrapper);
  await scene.send(FIRST_PORT + 20, 1).then((sender) => delay(1000).then(() => sender.stop()));
  group.limit(SHARE);
  const sent = await sendFor(FIRST_PORT + 21, 10 * perTick);
  group.limit(null);
  await delay(2000);
  expect(await trace.end('SIGTERM')).toBe(0);
  await trace.expectNothingLeft();
  const pathsFrom = (port: number) =>
    recordsOf<PathRecord>(trace.out).filter(({ hops }) => hops[0]?.tuple?.sport === port);
  const way = ({ hops }: PathRecord) =>
    hops.map(({ dev, stage, hook }) => [dev, stage, hook].join('/')).join(' ');
  const ways = new Set(pathsFrom(FIRST_PORT + 20).map(way));
  expect(ways.size).toBe(1);
  const shown = pathsFrom(FIRST_PORT + 21);
  expect(shown.length).toBeGreaterThan(0);
  expect(shown.length).toBeLessThan(sent);
  const wrong = shown.filter((path) => path.complete && !ways.has(way(path)));
  expect(wrong.map(way)).toEqual([]);
  const whole = shown.filter(({ complete }) => complete).length;
  outcome(
    'paths at 10 times the load',
    `${whole} of ${shown.length} shown are whole and say so, ${shown.length - whole} say that they are not`,
  );
}, 240_000);
