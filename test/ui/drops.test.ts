import { expect, test } from 'vitest';
import { flowRow } from '../../src/serve/flow-row.js';
import { dropGroups, lossyRows } from '../../ui/src/drops/drop-groups.js';
import { reasonWords } from '../../ui/src/drops/drop-reasons.js';
import { droppedFlow, serviceFlow } from '../serve/fixture-feed.js';

const rows = [
  flowRow(serviceFlow('fine', 9)),
  flowRow(droppedFlow('few', 2, 1)),
  flowRow(droppedFlow('many', 5, 2)),
];

test('flows that lost packets, the most first, and no others', () => {
  expect(lossyRows(rows).map(({ id }) => id)).toEqual(['many', 'few']);
});

test('are summed by what they have in common, with a filter that leaves them', () => {
  expect(dropGroups(lossyRows(rows), 'reason')).toEqual([
    { name: 'NETFILTER_DROP', filter: 'reason:NETFILTER_DROP', packets: 7n, flows: 2 },
  ]);
  expect(dropGroups(lossyRows(rows), 'source')[0]).toMatchObject({ name: 'pod1', packets: 7n });
  expect(dropGroups(lossyRows(rows), 'node').map(({ name }) => name)).toEqual(['node111']);
});

test('a reason says what it means and what to look at, also one that is not known here', () => {
  expect(reasonWords('NO_SOCKET').meaning).toContain('No socket listens');
  expect(reasonWords('REASON_777').next).toContain('dropreason-core.h');
});
