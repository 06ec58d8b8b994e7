import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import { layoutFingerprint } from '../../src/source/recording-format.js';
import { RecordingWriter } from '../../src/source/recording-writer.js';
import { AT_POD1, AT_POD2, Connection } from '../fixtures/connection.js';
import { ADDRESSES } from '../fixtures/places.js';
import { TAPE_START, Tape } from '../fixtures/tape.js';
import { fillFlows, readTemplate } from './fill-flows.mjs';

const FLOWS_A_ROUND = 5;

const folder = mkdtempSync(join(tmpdir(), 'hopscope-fill-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A datagram of each flow, tracked and translated, as one CPU records them. */
function record(file: string): number {
  const tape = new Tape();
  for (let index = 0; index < FLOWS_A_ROUND; index += 1) {
    const { pod1: src, service: dst, pod2 } = ADDRESSES;
    new Connection(tape, {
      ...{ proto: 'udp', src, dst, sport: 40_000 + index, dport: 53 },
      ...{ from: AT_POD1, to: AT_POD2, dnat: { dst: pod2, dport: 53 } },
      ctAddress: 0xffff_8880_1000_0000n + BigInt(index * 256),
    })
      .send('original', { id: index + 1 })
      .free();
  }
  const writer = new RecordingWriter(file, {
    format: 1,
    layout: layoutFingerprint(),
    epochNs: String(TAPE_START),
    kernel: 'test',
    missing: [],
  });
  writer.catalog(EMPTY_CATALOG);
  const batch = tape.grouped();
  writer.batch(batch, batch.byteLength);
  writer.finish({ lost: '0', own: '0', symbols: [] });
  return tape.hopCount;
}

test('each round is as many flows more, each with its one packet and all its hops', async () => {
  const file = join(folder, 'flows.hops');
  const hops = record(file);
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
