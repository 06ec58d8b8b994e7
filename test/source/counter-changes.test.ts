import { probeTcx } from 'ebpf-ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ipBatch, runIn } from '../../src/lab/run-command.js';
import type { CountedDevice } from '../../src/source/counted-devices.js';
import type { Counter } from '../../src/source/counter.js';
import { heldBy } from './attached.js';
import {
  A,
  addPod,
  B,
  countedDevice,
  makeCountedRouter,
  numberOf,
  ROUTER,
  removeCountedRouter,
  removeDevice,
} from './counted-router.js';
import { MODES, rowsOf, startCounter, total } from './counted-rows.js';
import { flood, ping } from './counted-traffic.js';

const hasTcx = probeTcx().available;
const DEVICES = 40;

beforeAll(makeCountedRouter);
afterAll(removeCountedRouter);

/** Ends of veths of which nothing goes through. */
async function manyDevices(): Promise<CountedDevice[]> {
  await ipBatch(
    ROUTER,
    Array.from({ length: DEVICES / 2 }, (_, i) => `link add m${i} type veth peer name n${i}`),
  );
  const links = JSON.parse(await runIn(ROUTER, 'ip', ['-j', 'link'])) as {
    ifindex: number;
    ifname: string;
  }[];
  return links
    .filter(({ ifname }) => /^[mn]\d/u.test(ifname))
    .map(({ ifindex }) => ({
      ...{ netns: numberOf(ROUTER), path: `/run/netns/${ROUTER}`, ifindex },
      ...{ role: 'pod', peer: null },
    }));
}

async function removeManyDevices(): Promise<void> {
  await ipBatch(
    ROUTER,
    Array.from({ length: DEVICES / 2 }, (_, i) => `link del m${i}`),
  );
}

/** How often the event loop turns until the promise is resolved. */
async function turnsUntil(promise: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  const done = promise.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    await new Promise((resolve) => setImmediate(resolve));
    turns += 1;
  }
  await done;
  return turns;
}

describe.each(MODES)('the counter’s devices, by $name', (mode) => {
  const { instrument, withPeer } = mode;
  const when = it.skipIf(instrument === 'tcx' && !hasTcx);
  let counter: Counter | null = null;

  afterEach(async () => {
    await counter?.close();
    counter = null;
  });

  when('are those of the last list when lists overlap', async () => {
    counter = await startCounter(mode);
    const [a, b] = [await countedDevice(A, withPeer), await countedDevice(B, withPeer)];
    const changes = [counter.countOn([]), counter.countOn([a, b]), counter.countOn([b])];
    await Promise.all(changes);
    expect(counter.devices).toBe(1);
    await ping('-c', '1', B.ip);
    expect(new Set((await rowsOf(counter)).map(({ dev }) => dev))).toEqual(new Set(['b']));
    await Promise.all([counter.countOn([b]), counter.countOn([b, a])]);
    expect(counter.devices).toBe(2);
    expect(counter.missing.join()).not.toContain('device');
  });

  when('may go while others are attached', async () => {
    counter = await startCounter(mode);
    await counter.countOn([]);
    const [a, b] = [await countedDevice(A, withPeer), await countedDevice(B, withPeer)];
    await removeDevice(B);
    try {
      await counter.countOn([b, a]);
      expect([counter.devices, counter.vanished]).toEqual([1, 1]);
      expect(counter.missing.join()).not.toContain('device');
    } finally {
      await addPod(B);
    }
  });

  when('are left when it is closed while it attaches', async () => {
    counter = await startCounter(mode);
    await counter.countOn([]);
    const attaching = counter.countOn([
      await countedDevice(A, withPeer),
      await countedDevice(B, withPeer),
    ]);
    await counter.close();
    await attaching;
    expect(counter.devices).toBe(0);
    expect(heldBy(process.pid).links.size).toBe(0);
    expect((await runIn(ROUTER, 'cat', ['/proc/net/packet'])).trim().split('\n')).toHaveLength(1);
  });

  when('stop counting at one moment, and what is read then is final', async () => {
    counter = await startCounter(mode);
    const sending = flood(B.ip, 2, 100_000);
    while (counter.tallies().packets < 1000) await new Promise((resolve) => setImmediate(resolve));
    await counter.end();
    const rows = await rowsOf(counter);
    await sending;
    expect(await rowsOf(counter)).toEqual([]);
    const inAtA = total(rows.filter((r) => r.dev === 'a' && r.direction === 'in')).packets;
    const outAtB = total(rows.filter((r) => r.dev === 'b' && r.direction === 'out')).packets;
    expect(inAtA).toBeGreaterThan(0);
    expect(inAtA).toBeLessThan(200_000);
    expect(counter.tallies().packets).toBe(total(rows).packets);
    // A packet goes from one to the other in one go; packet sockets see it at B a queue later.
    if (instrument === 'tcx') expect(Math.abs(inAtA - outAtB)).toBeLessThanOrEqual(4);
  });

  when('are attached and left while the event loop turns, however many', async () => {
    counter = await startCounter(mode);
    const many = await manyDevices();
    try {
      expect(many).toHaveLength(DEVICES);
      expect(await turnsUntil(counter.countOn(many))).toBeGreaterThan(DEVICES);
      expect(counter.devices).toBe(DEVICES);
      const before = performance.now();
      expect(await turnsUntil(counter.end())).toBeGreaterThan(1);
      const ended = performance.now();
      expect(counter.devices).toBe(DEVICES - 1);
      expect(await turnsUntil(counter.close())).toBeGreaterThan(DEVICES / 2);
      const closed = performance.now();
      expect(counter.devices).toBe(0);
      // Whoever waits for the counts waits for one device, not for all.
      expect(ended - before).toBeLessThan((closed - ended) / 4);
    } finally {
      await removeManyDevices();
    }
  });
});
