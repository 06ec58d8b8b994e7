import { setTimeout as delay } from 'node:timers/promises';
import type { FlowRecord } from 'hopscope-protocol';
import { expect, test } from 'vitest';
import type { FaultyProcess } from './faulty-process.js';
import { sceneForAll } from './faulty-scene.js';
import { KILLS, outcome } from './outcome.js';

/** From before the first program is loaded to long after all are attached. */
const MOMENTS_MS = KILLS > 5 ? 2500 : 1800;
/** More would wait for the pauses between starts of the process that serves. */
const KILLS_A_DAEMON = 5;

const scene = sceneForAll();

/** What one that is started now says of so many datagrams. */
async function expectExactCounts(from: number): Promise<void> {
  const flows = await scene.ready(['flows', '--json', '--sample', 'all']);
  await scene.expectCounted(flows, from);
}

test(`the daemon, killed ${KILLS} times at random moments under load`, async () => {
  const load = await scene.send(4000);
  let attached = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const daemon = scene.begin([
      'serve',
      '--port',
      '0',
      '--sample',
      kill % 2 === 0 ? 'all' : 'auto',
    ]);
    // Every moment has its turn, also in few rounds.
    const until = ((kill + Math.random()) * MOMENTS_MS) / KILLS;
    const end = performance.now() + until;
    while (performance.now() < end) {
      daemon.note();
      await delay(20);
    }
    if (/^ready$/m.test(daemon.err)) attached += 1;
    expect(await daemon.end('SIGKILL')).toBe('SIGKILL');
    await daemon.expectNothingLeft();
  }
  expect(await load.stop()).toBeGreaterThan(0);
  await scene.expectAsBefore();
  await expectExactCounts(4100);
  outcome(
    `kill -9 of the daemon, ${KILLS} times`,
    `status SIGKILL, nothing left; ${attached} of them after ready; the next one counts exactly`,
  );
}, 300_000);

test(`the process that serves, killed ${KILLS} times at random moments under load`, async () => {
  const sender = await scene.send(4200);
  let restarts = 0;
  for (let round = 0; round < KILLS / KILLS_A_DAEMON; round++) {
    const daemon = scene.begin(['serve', '--port', '0', '--sample', 'all']);
    await daemon.untilReady();
    await delay(500);
    const port = 4300 + 2 * round;
    const counted = await scene.send(port);
    for (let kill = 0; kill < KILLS_A_DAEMON; kill++) {
      await delay(Math.random() * 200);
      const server = await untilThere(daemon);
      await delay(Math.random() * 300);
      process.kill(server, 'SIGKILL');
    }
    await untilThere(daemon);
    const sent = await counted.stop();
    await expect.poll(() => countedBy(daemon, port), { timeout: 10_000 }).toBe(String(sent));
    const metrics = await (await fetch(`${daemon.url}/metrics`)).text();
    const counter = /^hopscope_server_restarts_total (\d+)$/m.exec(metrics)?.[1];
    expect(Number(counter)).toBe(KILLS_A_DAEMON);
    restarts += KILLS_A_DAEMON;
    expect(await daemon.end('SIGTERM')).toBe(0);
    await daemon.expectNothingLeft();
  }
  await sender.stop();
  await scene.expectAsBefore();
  outcome(
    `kill -9 of the process that serves, ${restarts} times`,
    'started again on the same port each time, and counted; counts of flows stay exact',
  );
}, 300_000);

async function untilThere(daemon: FaultyProcess): Promise<number> {
  const server = () => daemon.descendant('server-main.js') ?? 0;
  await expect.poll(server, { timeout: 10_000, interval: 10 }).toBeGreaterThan(0);
  return server();
}

/** What the API says of the flow from a port; null while nothing answers. */
async function countedBy(daemon: FaultyProcess, port: number): Promise<string | null> {
  const answer = await fetch(`${daemon.url}/api/flows?limit=500`).catch(() => null);
  if (answer?.status !== 200) return null;
  const { flows } = (await answer.json()) as { flows: FlowRecord[] };
  return flows.find(({ original }) => original?.sport === port)?.packets.original ?? null;
}
