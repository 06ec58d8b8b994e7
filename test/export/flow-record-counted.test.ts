import { expect, test } from 'vitest';
import { flowRecord } from '../../src/export/flow-record.js';
import { Names } from '../../src/name/names.js';
import { Epoch } from '../../src/wire/clock.js';
import { CLUSTER } from '../fixtures/catalog.js';
import { flowFaults } from '../fixtures/contract.js';
import { CALI1, CALI2 } from '../fixtures/places.js';
import { TAPE_START } from '../fixtures/tape.js';
import { Translated } from '../flow/translated.js';

const names = new Names(CLUSTER);
const epoch = new Epoch(TAPE_START);

test('a flow that nobody traced has what was counted, at both ends, and nothing else', () => {
  const it = new Translated();
  it.table.count(it.counted(CALI1, 'in', 12));
  it.table.count(it.counted(CALI2, 'out', 11));
  it.table.count(it.counted(CALI2, 'in', 9, { first: 1_000_100 }));
  const record = flowRecord(it.only, names, epoch);
  expect(flowFaults(JSON.stringify(record))).toEqual([]);
  expect(record).toMatchObject({
    packets: { original: '12', reply: '9' },
    bytes: { original: '1200', reply: '900' },
    counted: {
      original: { source: '12', destination: '11' },
      reply: { source: '9', destination: null },
    },
    nat: { dnat: { dport: 80 }, snat: { sport: 61_001 } },
    sampled: { paths: '0', of: '21' },
    legs: [],
    mtu: { path: null, largest: 100, verdict: 'unknown' },
    latencyNs: { original: null, reply: null },
  });
});

test('where the counter met neither direction there are no counts of it', () => {
  const it = new Translated();
  it.table.add(it.path(false));
  const record = flowRecord(it.only, names, epoch);
  expect(flowFaults(JSON.stringify(record))).toEqual([]);
  expect(record.counted).toBeNull();
  expect(record.packets).toEqual({ original: '1', reply: '0' });
});

test('where it met one direction, the other has none', () => {
  const it = new Translated();
  it.table.add(it.path(true));
  it.table.count(it.counted(CALI1, 'in', 3));
  const record = flowRecord(it.only, names, epoch);
  const way = record.original.src === it.asked.src ? 'original' : 'reply';
  const other = way === 'original' ? 'reply' : 'original';
  expect(record.counted?.[way]).toEqual({ source: '3', destination: null });
  expect(record.counted?.[other]).toBeNull();
});
