import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FinishedPath } from '../../src/flow/flow.js';
import { runIn } from '../../src/lab/run-command.js';
import type { Sampling } from '../../src/model/sampling.js';
import {
  FAR,
  makeTunnel,
  NEAR,
  removeTunnel,
  SERVICE_PORT,
  shapesOf,
  watchTunnel,
} from './sampled.js';

const PACKETS = 400;
/** Echo requests and their replies, through the tunnel and beside it. */
const ECHOES = 4 * PACKETS;

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await makeTunnel();
});
afterAll(removeTunnel);

async function send(): Promise<void> {
  const ping = ['-n', '-q', '-c', String(PACKETS), '-i', '0.002', '-W', '1'];
  await runIn(NEAR.netns, 'ping', [...ping, '-s', '100', FAR.inside]);
  // In fragments, which share the id and nothing else.
  await runIn(NEAR.netns, 'ping', [...ping, '-s', '4000', FAR.address]);
  // Translated on the other side, where nobody listens.
  await runIn(NEAR.netns, 'bash', [
    '-c',
    `exec 3>/dev/udp/${FAR.inside}/${SERVICE_PORT}; for i in {1..${PACKETS}}; do echo $i >&3; done 2>/dev/null || true`,
  ]);
  await delay(300);
}

async function pathsWith(sampling: Sampling): Promise<FinishedPath[]> {
  const { source, pipeline, finished } = await watchTunnel(sampling);
  await delay(50);
  await send();
  await pipeline.stop();
  expect(source.lost()).toBe(0n);
  return finished;
}

const isEcho = ({ path }: FinishedPath): boolean => path.protocol === 1 && path.icmpType % 8 === 0;

describe('one packet in four', () => {
  it('is chosen at each of its hops alike: in a tunnel, in fragments, translated', async () => {
    const all = await pathsWith({ mode: 'all' });
    const some = await pathsWith({ mode: 'one-in', oneIn: 4 });
    const whole = new Set(shapesOf(all.filter(isEcho)).keys());
    const echoes = some.filter(isEcho);
    const wrong = [...shapesOf(echoes)].filter(([shape]) => !whole.has(shape));
    expect(wrong).toEqual([]);
    const firsts = echoes.filter(({ path }) => path.origin === 0).length;
    expect(all.filter((one) => isEcho(one) && one.path.origin === 0).length).toBe(ECHOES);
    // Of 1600 packets, five times the standard deviation.
    expect(firsts).toBeGreaterThan(ECHOES / 4 - 90);
    expect(firsts).toBeLessThan(ECHOES / 4 + 90);
    for (const { path } of echoes) expect(path.cutByWindow).toBe(0);
  });

  it('all drops are seen, and of those not chosen nothing else', async () => {
    const some = await pathsWith({ mode: 'one-in', oneIn: 4 });
    const dropped = some.filter(
      ({ path, verdict }) => path.protocol === 17 && verdict === 'dropped',
    );
    const alone = dropped.filter(({ path }) => path.length === 1);
    const chosen = dropped.filter(({ path }) => path.length > 1);
    expect(dropped.length).toBeGreaterThan(PACKETS / 4);
    expect(chosen.length).toBeGreaterThan(dropped.length / 8);
    expect(alone.length).toBeGreaterThan(chosen.length);
    // A drop alone says that the beginning was not seen.
    expect(alone.every(({ path }) => path.cutByWindow !== 0)).toBe(true);
    expect(chosen.every(({ path }) => path.cutByWindow === 0)).toBe(true);
    expect(shapesOf(chosen).size).toBe(1);
  });
});
