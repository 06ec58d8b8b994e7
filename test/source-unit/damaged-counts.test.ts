import { expect, it } from 'vitest';
import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import { Pipeline } from '../../src/pipeline.js';
import { Epoch } from '../../src/wire/clock.js';
import { CountCursor } from '../../src/wire/count-cursor.js';
import * as layout from '../../src/wire/count-layout.gen.js';
import { noSource } from '../fixtures/no-source.mjs';

it('the largest packet is never less than nothing, whatever a damaged count says', () => {
  const pipeline = new Pipeline(noSource(1n, EMPTY_CATALOG));
  const key = new Uint8Array(layout.SIZEOF_COUNT_KEY);
  const value = new Uint8Array(layout.SIZEOF_COUNT);
  key[layout.COUNT_KEY_FAMILY] = 4;
  value[layout.COUNT_PACKETS] = 1;
  new DataView(value.buffer).setUint32(layout.COUNT_LARGEST, 0xffff_ffff, true);
  const cursor = new CountCursor(new Epoch(1n));
  cursor.borrow(key, value, 1, false);
  expect(cursor.next()).toBe(true);
  pipeline.count(cursor);
  const [flow] = pipeline.flows.changedSince(0);
  expect(flow?.largest).toBe(0xffff_ffff);
});

it('counts of an address family that is none are refused, and that is counted', () => {
  const pipeline = new Pipeline(noSource(1n, EMPTY_CATALOG));
  const keys = new Uint8Array(3 * layout.SIZEOF_COUNT_KEY);
  const values = new Uint8Array(3 * layout.SIZEOF_COUNT);
  for (const [index, family] of [4, 6, 5].entries()) {
    keys[index * layout.SIZEOF_COUNT_KEY + layout.COUNT_KEY_FAMILY] = family;
    values[index * layout.SIZEOF_COUNT + layout.COUNT_PACKETS] = 1;
  }
  const cursor = new CountCursor(new Epoch(1n));
  cursor.borrow(keys, values, 3, false);
  while (cursor.next()) pipeline.count(cursor);
  expect(pipeline.flows.size).toBe(2);
  expect(pipeline.quality().malformed).toEqual({ WIRE_COUNT_FAMILY: '1' });
});
