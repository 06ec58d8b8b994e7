import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { type MemoryBudget, OBSERVER_BASE } from '../../src/model/memory-budget.js';
import { ADDRESSES } from '../fixtures/places.js';
import { recordFlows } from './flows-recording.js';

const CHILD = fileURLToPath(new URL('overrun-child.mjs', import.meta.url));
const FLOWS_A_ROUND = 25;
/** Enough that records wait for more bytes than may wait, and as many packets are under way. */
const ROUNDS = 1_000;

interface Overrun {
  readonly total: number;
  readonly shares: MemoryBudget;
  readonly most: { readonly together: number };
  readonly losses: Readonly<Record<string, string>>;
  readonly use: Readonly<Record<string, { readonly bytes: number; readonly limit: number }>>;
  readonly metrics: readonly string[];
}

const folder = mkdtempSync(join(tmpdir(), 'hopscope-overrun-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function overrun(mib: number, flows: number, more: readonly string[]): Promise<Overrun> {
  const words = [CHILD, String(mib), String(flows), ...more];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  const seen = JSON.parse(stdout) as Overrun;
  // The process that observes is not there: it has no tables.
  expect(seen.most.together).toBeLessThanOrEqual(seen.total - OBSERVER_BASE);
  for (const [part, { bytes, limit }] of Object.entries(seen.use)) {
    expect([part, bytes <= limit]).toEqual([part, true]);
    const isShown = seen.metrics.some((line) =>
      line.startsWith(`hopscope_memory_limit_bytes{part="${part}"}`),
    );
    expect([part, isShown]).toEqual([part, true]);
  }
  expect(seen.use['flows']?.limit).toBe(seen.shares.flows);
  return seen;
}

describe('with more than fits, both processes together stay within --memory, and say what went', () => {
  test('of flows that are counted', async () => {
    const seen = await overrun(384, 200_000, []);
    expect(Number(seen.losses['flows-evicted'])).toBeGreaterThan(0);
  }, 120_000);

  test('of flows, of packets under way and of records that wait', async () => {
    const file = join(folder, 'flows.hops');
    recordFlows(file, FLOWS_A_ROUND);
    const { losses } = await overrun(428, 100, [file, ADDRESSES.pod1, String(ROUNDS)]);
    for (const cause of ['flows-evicted', 'paths-evicted', 'records-out-of-order']) {
      expect([cause, Number(losses[cause]) > 0]).toEqual([cause, true]);
    }
  }, 120_000);
});
