import { expect, test } from 'vitest';
import { GivenCounts } from '../../src/source/given-counts.js';
import { SIZEOF_COUNT, SIZEOF_COUNT_KEY } from '../../src/wire/count-layout.gen.js';

const ENTRIES = 50_000;

function batchOf(entries: number): { keys: Uint8Array; values: Uint8Array } {
  return {
    keys: new Uint8Array(entries * SIZEOF_COUNT_KEY),
    values: new Uint8Array(entries * SIZEOF_COUNT),
  };
}

test('an entry is known as long as no byte of it changes', () => {
  const batch = batchOf(1);
  const given = new GivenCounts(batch);
  expect(given.isKnown(0)).toBe(false);
  expect(given.isKnown(0)).toBe(true);
  for (const bytes of [batch.keys, batch.values]) {
    for (let at = 0; at < bytes.length; at++) {
      bytes[at] = 1;
      expect(given.isKnown(0)).toBe(false);
      expect(given.isKnown(0)).toBe(true);
      bytes[at] = 0;
      // Another key has a place of its own, where it is still known; another value has not.
      given.isKnown(0);
    }
  }
});

test('entries that differ by one packet or one port are never taken for each other', () => {
  const { keys, values } = batchOf(ENTRIES);
  const given = new GivenCounts({ keys, values });
  const ports = new Uint32Array(keys.buffer);
  const packets = new Uint32Array(values.buffer);
  for (let index = 0; index < ENTRIES; index++) {
    ports[index * (SIZEOF_COUNT_KEY / 4) + 10] = index & 0xff;
    packets[index * (SIZEOF_COUNT / 4)] = index >>> 8;
    expect(given.isKnown(index)).toBe(false);
  }
});

test('of few entries that stay as they are nearly all are known', () => {
  const entries = 1_000;
  const { keys, values } = batchOf(entries);
  const given = new GivenCounts({ keys, values });
  const ports = new Uint32Array(keys.buffer);
  let known = 0;
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < entries; index++) {
      ports[index * (SIZEOF_COUNT_KEY / 4) + 10] = index;
      if (given.isKnown(index)) known += 1;
    }
  }
  expect(known).toBeGreaterThan(entries * 0.97);
});
