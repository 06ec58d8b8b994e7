import { expect, test } from 'vitest';
import { renderThroughput, table } from './report.mjs';

test('columns are as wide as their widest cell, numbers to the right', () => {
  expect(
    table([
      ['a', 'count'],
      ['longer', '7'],
    ]),
  ).toBe('a       count\nlonger      7\n');
});

test('an observer that counts nothing has dashes, not zeros', () => {
  const row = {
    observer: 'tcpdump',
    packetsPerSecond: 60_000,
    ratio: 0.654,
    least: 0.6,
    most: 0.7,
    cpu: 0.5,
    readyMs: 200,
    stopMs: 30,
    events: null,
  };
  const lines = renderThroughput([row, { ...row, events: { seen: 5, lost: 0 } }]).split('\n');
  expect(lines[1]).toMatch(/^tcpdump +60000 +0\.65 +0\.60 to 0\.70 +0\.50 +200 ms +30 ms +- +-$/u);
  expect(lines[2]).toMatch(/ 5 +0$/u);
});
