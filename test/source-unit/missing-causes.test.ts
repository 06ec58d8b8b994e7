import { expect, it } from 'vitest';
import { MissingCauses } from '../../src/source/missing-causes.js';

/** A second later each time it is asked. */
function ticking(): () => Date {
  let second = 0;
  return () => new Date(Date.UTC(2026, 0, 1, 0, 0, second++));
}

it('has one entry a cause, however many places it holds in, until it holds in none', () => {
  const missing = new MissingCauses(ticking());
  missing.add('hooks: EBUSY', '1', '/run/netns/a');
  missing.add('hooks: EBUSY', '1', '/run/netns/a');
  missing.add('hooks: EBUSY', '2', '/run/netns/b');
  missing.add('hooks: EPERM', '3', '/run/netns/c');
  missing.add('everywhere');
  expect(missing.texts()).toEqual([
    'hooks: EBUSY, in /run/netns/a and 1 more, since 2026-01-01T00:00:00Z',
    'hooks: EPERM, in /run/netns/c, since 2026-01-01T00:00:02Z',
    'everywhere',
  ]);
  missing.withdraw('1');
  expect(missing.texts()[0]).toBe('hooks: EBUSY, in /run/netns/b, since 2026-01-01T00:00:01Z');
  missing.withdraw('2');
  missing.withdraw('3');
  missing.withdraw('4');
  expect(missing.texts()).toEqual(['everywhere']);
});

it('has another cause in a place instead of the one before', () => {
  const missing = new MissingCauses(ticking());
  missing.replace('EINVAL', '1', '/run/netns/a');
  missing.replace('EINVAL', '1', '/run/netns/a');
  missing.add('EINVAL', '2', '/run/netns/b');
  missing.replace('EBUSY', '1', '/run/netns/a');
  expect(missing.texts()).toEqual([
    'EINVAL, in /run/netns/b, since 2026-01-01T00:00:01Z',
    'EBUSY, in /run/netns/a, since 2026-01-01T00:00:02Z',
  ]);
});
