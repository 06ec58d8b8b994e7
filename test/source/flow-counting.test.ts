import { probeTcx } from 'ebpf-ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { FlowCounting } from '../../src/source/flow-counting.js';
import { readNamespace } from '../../src/source/namespace-number.js';
import { Epoch } from '../../src/wire/clock.js';
import { heldBy, leftOf } from './attached.js';
import {
  A,
  addPod,
  B,
  makeCountedRouter,
  ROUTER,
  removeCountedRouter,
  removeDevice,
} from './counted-router.js';
import { ping } from './counted-traffic.js';
import { objectFile } from './tracer-object.js';

beforeAll(makeCountedRouter);
afterAll(removeCountedRouter);

/** Links that this process holds, and packet sockets in the router's namespace. */
async function attachments(): Promise<number> {
  const sockets = (await runIn(ROUTER, 'cat', ['/proc/net/packet'])).trim().split('\n').length - 1;
  return heldBy(process.pid).links.size + sockets;
}

describe('counting flows', () => {
  const warnings: string[] = [];
  let packets = 0;
  let counting: FlowCounting | null = null;

  function make(): FlowCounting {
    warnings.length = 0;
    packets = 0;
    counting = new FlowCounting({
      objects: { tcx: objectFile('counter'), packet: objectFile('counter-packet') },
      epoch: new Epoch(process.hrtime.bigint()),
      namespaces: () =>
        [ROUTER, A.netns, B.netns].map((name) => ({
          ...readNamespace(`/run/netns/${name}`),
          ...{ name, path: `/run/netns/${name}` },
        })),
      onCount: (row) => {
        packets += row.packets;
      },
      onWarning: (message) => warnings.push(message),
    });
    return counting;
  }

  afterEach(async () => {
    await counting?.stop();
    await expect.poll(attachments, { timeout: 5000 }).toBe(0);
    expect(warnings).toEqual([]);
  });

  it('counts once it has started, and hands on all when it stops', async () => {
    const started = make();
    expect(started.packets).toBeNull();
    await started.start();
    expect(started.missing.join()).not.toContain('not counted');
    await ping('-c', '2', '-i', '0.02', B.ip);
    expect(started.packets).toBe(8);
    await started.stop();
    expect([packets, started.packets]).toEqual([8, 8]);
    started.read(process.hrtime.bigint());
    expect(packets).toBe(8);
  });

  it('leaves nothing attached when it is stopped while it starts', async () => {
    for (const ms of [0, 30, 100, 150, 200]) {
      const started = make();
      const starting = started.start();
      await new Promise((resolve) => setTimeout(resolve, ms));
      await started.stop();
      await starting;
      await expect.poll(attachments, { timeout: 5000 }).toBe(0);
      expect(warnings).toEqual([]);
    }
  });

  it('takes up soon a change that comes while it attaches', async () => {
    await removeDevice(B);
    const started = make();
    const starting = started.start();
    // By then the devices there are have been read.
    await started.loaded;
    await new Promise((resolve) => setTimeout(resolve, 60));
    await addPod(B);
    started.changed();
    await starting;
    await expect
      .poll(
        async () => {
          const before = started.packets ?? 0;
          await ping('-c', '1', B.ip).catch(() => undefined);
          return (started.packets ?? 0) - before;
        },
        { timeout: 5000, interval: 200 },
      )
      .toBe(4);
  });

  it('leaves no link in the kernel', async () => {
    await make().start();
    // Two devices, two directions; before tcx a socket each, and another at the pod.
    expect(await attachments()).toBe(probeTcx().available ? 4 : 2);
    const held = heldBy(process.pid);
    await counting?.stop();
    await expect.poll(async () => (await leftOf(held)).links, { timeout: 5000 }).toEqual([]);
  });
});
