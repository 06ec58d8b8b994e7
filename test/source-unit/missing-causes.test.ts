import { expect, it } from 'vitest';
import { MissingCauses } from '../../src/source/missing-causes.js';

it('has one entry a cause, however many places it holds in, until it holds in none', () => {
  const missing = new MissingCauses();
  missing.add('hooks: EBUSY', '1', '/run/netns/a');
  missing.add('hooks: EBUSY', '1', '/run/netns/a');
  missing.add('hooks: EBUSY', '2', '/run/netns/b');
  missing.add('hooks: EPERM', '3', '/run/netns/c');
  missing.add('everywhere');
  expect(missing.texts()).toEqual([
    'hooks: EBUSY, in /run/netns/a and 1 more',
    'hooks: EPERM, in /run/netns/c',
    'everywhere',
  ]);
  missing.withdraw('1');
  expect(missing.texts()[0]).toBe('hooks: EBUSY, in /run/netns/b');
  missing.withdraw('2');
  missing.withdraw('3');
  missing.withdraw('4');
  expect(missing.texts()).toEqual(['everywhere']);
});
