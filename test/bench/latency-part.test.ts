import { expect, test } from 'vitest';
import { latencies, parseProbes } from './latency-part.mjs';

test('from each probe to its row', () => {
  const sent = parseProbes('30000 1000000\n30001 2000000\n');
  const arrived = new Map([
    [30000, 3_000_000n],
    [30001, 3_000_000n],
    [40000, 1n],
  ]);
  expect(latencies(sent, arrived)).toEqual({
    samples: 2,
    missed: 0,
    p50Ms: 1,
    p99Ms: 2,
    mostMs: 2,
  });
});

test('one that never came is slower than all that did', () => {
  const sent = parseProbes('1 0\n2 0\n3 0\n');
  const arrived = new Map([
    [1, 5_000_000n],
    [3, 7_000_000n],
  ]);
  expect(latencies(sent, arrived)).toEqual({
    samples: 3,
    missed: 1,
    p50Ms: 7,
    p99Ms: null,
    mostMs: null,
  });
});

test('no probe is no figure', () => {
  expect(latencies(parseProbes(''), new Map())).toMatchObject({ samples: 0, p50Ms: null });
});
