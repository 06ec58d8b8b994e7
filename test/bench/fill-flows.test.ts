import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ADDRESSES } from '../fixtures/places.js';
import { fillFlows, readTemplate } from './fill-flows.mjs';
import { recordFlows } from './flows-recording.js';

const FLOWS_A_ROUND = 5;

const folder = mkdtempSync(join(tmpdir(), 'hopscope-fill-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('each round is as many flows more, each with its one packet and all its hops', async () => {
  const file = join(folder, 'flows.hops');
  const hops = recordFlows(file, FLOWS_A_ROUND);
  const rounds = 40;
  const template = readTemplate(file, ADDRESSES.pod1);
  const filled = await fillFlows(template, rounds * FLOWS_A_ROUND, FLOWS_A_ROUND);
  expect(filled.flows).toBe(rounds * FLOWS_A_ROUND);
  const { flows, joiner } = filled.pipeline;
  expect(joiner.counters.hops).toBe(hops * rounds);
  const all = flows.changedSince(0);
  expect(all.map((flow) => [flow.packets(0), flow.packets(1), flow.paths])).toEqual(
    all.map(() => [1, 0, 1]),
  );
  expect(new Set(all.map(({ original }) => original.src)).size).toBe(rounds);
  expect(all.every(({ reply }) => reply?.src === ADDRESSES.pod2)).toBe(true);
  expect(filled.pipeline.quality()).toMatchObject({ evicted: '0', malformed: {}, openPaths: 0 });
});
