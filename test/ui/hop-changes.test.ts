import { expect, test } from 'vitest';
import { changesOf } from '../../ui/src/flow/hop-changes.js';
import { groupHops } from '../../ui/src/flow/hop-groups.js';
import { priorityHelp, tablesBetween } from '../../ui/src/flow/netfilter-tables.js';
import { droppedPath, servicePath } from '../serve/fixture-feed.js';

const PATH = servicePath('a', 1, 'original', 38_610);

test('translation is shown where it happens, with the table that did it', () => {
  const changes = changesOf(PATH.hops);
  expect(changes[0]).toEqual([]);
  expect(changes[3]).toContainEqual({
    kind: 'destination',
    label: 'destination rewritten',
    before: '10.107.161.255:8080',
    after: '10.244.146.205:80',
    by: 'conntrack or mangle or nat',
  });
  expect(changes.flat().filter(({ kind }) => kind === 'destination')).toHaveLength(1);
  expect(changes.flat().filter(({ kind }) => kind === 'source')).toHaveLength(0);
});

test('an outer header is added once and removed once', () => {
  const outer = changesOf(PATH.hops).flatMap((changes, index) =>
    changes
      .filter(({ kind }) => kind === 'outer')
      .map(({ before, after }) => [index, before, after]),
  );
  const header = 'vxlan VNI 4096 192.168.100.111 → 192.168.100.112';
  expect(outer).toEqual([
    [7, null, header],
    [9, header, null],
  ]);
});

test('lengths are compared from device to device only', () => {
  const lengths = changesOf(PATH.hops).flatMap((changes) =>
    changes.filter(({ kind }) => kind === 'length').map(({ before, after }) => [before, after]),
  );
  expect(lengths).toEqual([
    ['74', '124'],
    ['124', '74'],
  ]);
});

test('a hop that shows no header takes none off and changes nothing', () => {
  const [first, second] = PATH.hops;
  if (first === undefined || second === undefined) throw new Error('fixture');
  const blind = { ...second, tuple: null, mac: null, ttl: null, len: null, ct: null };
  expect(changesOf([first, blind, second])).toEqual([[], [], []]);
});

test('hops are grouped by namespace in the order they are passed', () => {
  expect(groupHops(PATH.hops, false).map(({ node, netns }) => [node, netns])).toEqual([
    ['node111', 'pod1'],
    ['node111', 'node111'],
    ['node112', 'node112'],
    ['node112', 'pod3'],
  ]);
});

test('hooks in a row where nothing changed are folded, with the sum of their times', () => {
  const [first, second, quiet] = PATH.hops;
  if (first === undefined || second === undefined || quiet === undefined)
    throw new Error('fixture');
  const hops = [first, second, quiet, { ...quiet, priority: -150, sincePrevNs: 80 }];
  const items = groupHops(hops, true).flatMap((group) => group.items);
  expect(items.map(({ kind, sinceNs }) => [kind, sinceNs])).toEqual([
    ['hop', null],
    ['hop', second.sincePrevNs],
    ['fold', 500],
  ]);
  expect(groupHops(hops, false).flatMap((group) => group.items)).toHaveLength(4);
});

test('a drop is never folded', () => {
  const { hops } = droppedPath('d', 1, 40_001);
  const last = groupHops(hops, true).at(-1)?.items.at(-1);
  expect(last).toMatchObject({ kind: 'hop', hop: { stage: 'drop' } });
});

test('priorities are named by the tables around them', () => {
  expect(priorityHelp(-301)).toBe('after defragmentation, before raw');
  expect(priorityHelp(0)).toBe('after nat, at filter, before security');
  expect(priorityHelp(101)).toBe('after nat');
  expect(tablesBetween(-101, -99)).toEqual(['nat']);
  expect(tablesBetween(-99, -101)).toEqual([]);
});
