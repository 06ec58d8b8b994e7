import { expect, test } from 'vitest';
import type { Conntrack } from '../../src/join/conntrack.js';
import type { Headers } from '../../src/join/headers.js';
import { HopColumns } from '../../src/join/hop-columns.js';
import type { Outer } from '../../src/join/outer.js';
import { nextOwnConntrack } from '../../src/join/own-conntrack.js';
import type { Place } from '../../src/join/place.js';

const ENTRY = { info: 2 } as Conntrack;
const BARE = { outer: null } as Headers;
const IN_TUNNEL = { outer: { overhead: 50 } as Outer } as Headers;

test('entries of the packet itself in order, without those of the tunnel around it', () => {
  const columns = new HopColumns();
  const place = { device: { mtu: 1500 } } as Place;
  const hops: [Headers, Conntrack | null][] = [
    [BARE, null],
    [BARE, ENTRY],
    [IN_TUNNEL, ENTRY],
    [IN_TUNNEL, null],
    [BARE, ENTRY],
  ];
  for (const [index, [headers, ct]] of hops.entries()) {
    columns.push(index, place, headers, ct, 100, 0, 64);
  }
  const found: number[] = [];
  for (let i = nextOwnConntrack(columns, 0); i >= 0; i = nextOwnConntrack(columns, i + 1)) {
    found.push(i);
  }
  expect(found).toEqual([1, 4]);
  // A set of columns serves one packet after another: what it held before is not looked at.
  columns.clear();
  expect(nextOwnConntrack(columns, 0)).toBe(-1);
});
