import { parseFilter } from 'hopscope-protocol';
import { expect, test } from 'vitest';
import { flowRow } from '../../src/serve/flow-row.js';
import { countFacets } from '../../ui/src/filter/facets.js';
import { droppedFlow, serviceFlow } from '../serve/fixture-feed.js';

test('facets count what choosing them would leave', () => {
  const rows = [
    flowRow(serviceFlow('a', 1)),
    flowRow(serviceFlow('b', 1)),
    flowRow(droppedFlow('c', 1)),
  ];
  const all = countFacets(rows, parseFilter(''), 0);
  expect(all.get('verdict')).toEqual([
    { value: 'delivered', count: 2 },
    { value: 'dropped', count: 1 },
  ]);
  const chosen = countFacets(rows, parseFilter('verdict:dropped'), 0);
  // Its own field still offers the other value; the others count what is left.
  expect(chosen.get('verdict')).toEqual(all.get('verdict'));
  expect(chosen.get('encap')).toEqual([{ value: 'none', count: 1 }]);
  expect(countFacets(rows, parseFilter('nothing-like-it'), 0).get('proto')).toEqual([]);
});
