import { expect, it } from 'vitest';
import { withinBudget } from '../../src/source/namespace-budget.js';
import type { FoundNamespace } from '../../src/source/namespace-watcher.js';

function found(...owners: readonly (number | null)[]): Map<number, FoundNamespace> {
  return new Map(
    owners.map((owner, netns) => [
      netns,
      { netns, inode: 100 + netns, owner, name: null, path: '' },
    ]),
  );
}
const numbers = (namespaces: Iterable<FoundNamespace>): number[] =>
  [...namespaces].map(({ netns }) => netns);

it('leaves out those of a user past the limit, the newest, and none of another’s', () => {
  const { watched, refused } = withinBudget(found(1000, 1000, 0, 1000, 1001, 0, 0), 100, 2);
  expect(numbers(watched.values())).toEqual([2, 5, 6, 0, 1, 4]);
  expect([...refused].map(([why, each]) => [why, numbers(each)])).toEqual([
    ['namespaces of user 1000 past 2', [3]],
  ]);
});

it('takes those whose owner is not known for one user’s', () => {
  const { refused } = withinBudget(found(null, null, null), 100, 2);
  expect([...refused.keys()]).toEqual(['namespaces of user ? past 2']);
});

it('watches root’s first where all are too many', () => {
  const { watched, refused } = withinBudget(found(1000, 0, 0, 0), 3, 2);
  expect(numbers(watched.values())).toEqual([1, 2, 3]);
  expect([...refused].map(([why, each]) => [why, numbers(each)])).toEqual([
    ['namespaces past 3', [0]],
  ]);
});

it('leaves out nothing within the limits', () => {
  const all = found(0, 1000, null);
  expect(withinBudget(all).watched).toEqual(all);
});
