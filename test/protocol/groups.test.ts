import {
  type FlowRow,
  GROUPINGS,
  groupKeys,
  hasFailed,
  matchesFilter,
  parseFilter,
} from 'hopscope-protocol';
import { describe, expect, test } from 'vitest';
import { flowRow } from '../../src/serve/flow-row.js';
import { droppedFlow, serviceFlow } from '../serve/fixture-feed.js';

const flow = serviceFlow('a', 3);
const ROWS: readonly FlowRow[] = [
  flowRow({
    ...flow,
    src: { ...flow.src, namespace: 'shop', workload: 'Deployment/client' },
    dst: { ...flow.dst, namespace: 'web', workload: 'Deployment/web' },
  }),
  flowRow(droppedFlow('d', 1)),
];

describe.each(GROUPINGS)('by %s', (by) => {
  test('the filter of a group leaves the flows that are in it', () => {
    const keys = ROWS.flatMap((row) => groupKeys(row, by));
    expect(keys.length).toBeGreaterThan(0);
    for (const { label, filter } of keys) {
      const parsed = parseFilter(filter ?? '');
      expect(parsed.problems).toEqual([]);
      for (const row of ROWS) {
        const isIn = groupKeys(row, by).some((key) => key.label === label);
        expect(matchesFilter(row, parsed, 0)).toBe(isIn);
      }
    }
  });
});

test('a connection has failed when it was dropped, or ended without an answer', () => {
  const [answered, dropped] = ROWS;
  expect([answered, dropped].map((row) => row !== undefined && hasFailed(row))).toEqual([
    false,
    true,
  ]);
  const silent = { ...(answered as FlowRow), answered: false };
  expect(hasFailed(silent)).toBe(false);
  expect(hasFailed({ ...silent, ended: true })).toBe(true);
});
