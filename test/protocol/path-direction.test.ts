import { pathDirection } from 'hopscope-protocol';
import { expect, test } from 'vitest';
import { serviceFlow, servicePath } from '../serve/fixture-feed.js';

test('the direction of a path is the recorded one, else that of its first hop', () => {
  const flow = serviceFlow('a', 1);
  const there = servicePath('a', 1, 'original', 38_610);
  const back = servicePath('a', 1, 'reply', 38_610);
  expect([pathDirection(flow, there), pathDirection(flow, back)]).toEqual(['original', 'reply']);
  const bare = ({ direction: _, ...path }: typeof there): typeof there => path;
  expect([pathDirection(flow, bare(there)), pathDirection(flow, bare(back))]).toEqual([
    'original',
    'reply',
  ]);
});
