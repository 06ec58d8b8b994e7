import { expect, test } from 'vitest';
import { jsonOf } from './guest-part.mjs';
import { loadRow } from './load-part.mjs';
import { LOADS } from './loads.mjs';
import { failureText } from './memory-part.mjs';
import { renderMemory, renderResult, table } from './report.mjs';

test('columns are as wide as their widest cell, numbers to the right', () => {
  expect(
    table([
      ['a', 'count'],
      ['longer', '7'],
    ]),
  ).toBe('| a      | count |\n| ------ | ----: |\n| longer |     7 |\n');
});

const ROUND = {
  rate: 60_000,
  p50Ns: null,
  p99Ns: null,
  cores: 0.5,
  cpuPerMillion: 2.345,
  readyMs: 200,
  stopMs: 30,
  kernelDrops: 0,
  counted: { events: 5, lost: 2, lostByCause: { ring: 2 }, records: null, recordBytes: null },
  exactness: { exact: false, flows: 1, packets: -3, bytes: -276, paths: 9 },
  pathsPerSecond: 3,
};
const MACHINE = { kernel: '6.18.0', cpu: 'a processor', cores: 2 };
const NOTHING = {
  date: '2026-11-25',
  machine: MACHINE,
  encap: 'vxlan',
  size: { rounds: 1, seconds: 1 },
  startup: null,
  load: null,
  kernel: null,
  joining: null,
  latency: null,
  memory: null,
  guest: null,
  notes: [],
};

test('parts that were not measured have no heading, what is missing is said', () => {
  const text = renderResult({ ...NOTHING, notes: ['bpftrace is missing'] });
  expect(text).not.toContain('###');
  expect(text).toContain('- bpftrace is missing');
});

test('a load has a line an observer, and hopscope one of what it saw', () => {
  const [load] = LOADS;
  if (load === undefined) throw new Error('no loads');
  const plain = { ...ROUND, counted: null, exactness: null, cpuPerMillion: null };
  const rows = [
    loadRow('nobody', load, [plain], [plain]),
    loadRow('hopscope', load, [{ ...ROUND, rate: 45_000 }], [plain]),
  ];
  const text = renderResult({
    ...NOTHING,
    load: { results: [{ load, way: 'across nodes', rows }], notes: [] },
  });
  expect(text).toMatch(/\| UDP 64 B, across nodes, 1 flow +\| nobody +\|/u);
  expect(text).toMatch(/hopscope +\| 45,000 packets\/s +\| +0\.75 \| +0\.75 to 0\.75 \|/u);
  expect(text).toMatch(/hopscope +\| no, 0 of 1 \| +-3 packets \|.* ring 2 \| +2\.3[45] \|/u);
  expect(text.match(/nobody/gu)).toHaveLength(1 + 1);
});

test('a size that could not be reached says why', () => {
  const text = renderMemory([
    { seen: 'traced', wanted: 1_000_000, failure: 'no room', figures: null },
  ]);
  expect(text).toMatch(/1,000,000 +\| +traced \| +no room \|/u);
});

test.each([
  [{ killed: true }, 'not done after 9 s'],
  [{ stderr: 'FATAL ERROR: Reached heap limit - JavaScript heap out of memory' }, 'of heap'],
  [{ stderr: 'file:///x.mjs:3\n\nTypeError: no such thing\n    at x' }, 'TypeError: no such thing'],
  [new Error('spawn ENOENT'), 'spawn ENOENT'],
])('why a child came to no figure: %o', (error, text) => {
  expect(failureText(error, 9)).toContain(text);
});

test("the result is found among a guest's other lines", () => {
  expect(jsonOf('bench-json: {"a":1}\r')).toBe('{"a":1}');
  expect(jsonOf('bench: round 1')).toBeNull();
});
