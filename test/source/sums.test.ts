import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ORIGINAL } from '../../src/flow/direction-index.js';
import type { FinishedPath } from '../../src/flow/finished-path.js';
import { SETTLED_NS } from '../../src/flow/losses.js';
import { runIn } from '../../src/lab/run-command.js';
import { Pipeline } from '../../src/pipeline.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { SIZEOF_HOP } from '../../src/wire/layout.gen.js';
import { A, B, makeCountedRouter, ROUTER, removeCountedRouter } from './counted-router.js';
import { TRACER_OBJECT } from './tracer-object.js';
import { untilJoined } from './until-joined.js';

/** Hops of one datagram, fewer than there really are, so that so many fill the ring twice. */
const HOPS = 4;
const RING_BYTES = 4 << 20;
const DATAGRAMS = Math.ceil((2 * RING_BYTES) / (SIZEOF_HOP * HOPS));
const FLOWS = 64;
/** They go to where nobody listens. */
const PORT = 9009;

/** From each of FLOWS ports as many datagrams, one after another. */
const SENDER = `
const { createSocket } = require('node:dgram');
const socket = createSocket('udp4');
const ports = Array.from({ length: ${FLOWS} }, (_, at) => 9100 + at);
let left = ${DATAGRAMS};
const next = () => {
  if (left-- > 0) socket.send('x', ports[left % ports.length], '${B.ip}', next);
  else socket.close();
};
socket.bind(${PORT}, next);
`;

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await makeCountedRouter();
});
afterAll(removeCountedRouter);

it('whatever is lost on the way, each stage knows what it passed on and what it did not', async () => {
  const finished: Pick<FinishedPath, 'flow'>[] = [];
  let hops = 0;
  const netns = [ROUTER, A.netns, B.netns];
  const source = new KernelSource({
    ...{ objectFile: TRACER_OBJECT, netns, count: true, ringBytes: RING_BYTES },
  });
  const pipeline = new Pipeline(source, {
    flowLimit: FLOWS,
    onPath: ({ path, flow }) => {
      finished.push({ flow });
      hops += path.length - path.inherited;
    },
  });
  await pipeline.start();
  // Flows that have to make room for those of the flood.
  for (let port = 0; port < 8; port++) {
    const send = `echo > /dev/udp/${B.ip}/${9000 + port} || true`;
    await runIn(A.netns, 'bash', ['-c', send]);
  }
  await delay(1_500);
  const sender = spawn('ip', ['netns', 'exec', A.netns, process.execPath, '-e', SENDER]);
  const ended = once(sender, 'exit');
  // Nobody reads: the ring fills up.
  await delay(200);
  const until = performance.now() + 2_500;
  while (performance.now() < until);
  await ended;
  await delay(300);
  // There is one flow more than there is room for: while others are joined, each would make room
  // for the next.
  await untilJoined(pipeline);
  await runIn(A.netns, 'ping', ['-n', '-q', '-c', '3', '-i', '0.05', B.ip]);
  await pipeline.stop();
  pipeline.flows.expireIdle(pipeline.epoch.since(process.hrtime.bigint()) + SETTLED_NS);

  // Kernel to daemon: what was handed over was read, and not all of it fitted.
  const { counters } = pipeline.joiner;
  const handed = source.handed();
  expect(counters.trails).toBe(Number(handed.records));
  expect(counters.hops).toBe(Number(handed.hops));
  const lost = source.losses();
  expect(Number(lost['ring-full-hops'])).toBeGreaterThan(DATAGRAMS / 4);
  // Joiner: each hop is in one path, or in one counter.
  const { hopsCut, hopsReleased, hopsMalformed, hopsUndone, hopsRepeated, hopsRefused } = counters;
  const aside = hopsCut + hopsReleased + hopsMalformed + hopsUndone + hopsRepeated + hopsRefused;
  expect(hops).toBe(counters.hopsFinished);
  expect(hops + aside - counters.hopsRead).toBe(counters.hops);
  expect(finished.length).toBe(counters.paths);
  // Flows: what there was no room for is counted, and what is there is exact.
  const { flows } = pipeline;
  expect(flows.size).toBe(FLOWS);
  expect(flows.counters.evicted).toBeGreaterThanOrEqual(8);
  const floods = flows.changedSince(0).filter(({ original }) => original.sport === PORT);
  expect(floods.length).toBeGreaterThan(FLOWS - 4);
  const each = DATAGRAMS / FLOWS;
  for (const flow of floods) {
    expect(Math.abs(flow.packets(ORIGINAL) - each)).toBeLessThan(1);
    expect(flow.lost + flow.paths).toBe(flow.packets(ORIGINAL));
  }
  // And the one sum that everybody sees says so.
  const { losses } = pipeline.quality();
  expect(losses).toMatchObject({
    'ring-full-hops': String(lost['ring-full-hops']),
    'flows-evicted': String(flows.counters.evicted),
    'packets-uncounted': '0',
  });
}, 120_000);
