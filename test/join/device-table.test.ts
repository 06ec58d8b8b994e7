import { expect, test } from 'vitest';
import { type Device, DeviceTable } from '../../src/join/device-table.js';
import { Epoch } from '../../src/wire/clock.js';
import { RecordCursor } from '../../src/wire/record-cursor.js';
import { CALI1, ENS111, type Place } from '../fixtures/places.js';
import { TAPE_START } from '../fixtures/tape.js';
import { frameRecords, hopRecord } from '../fixtures/wire-record.js';

/** The devices of records about these places, one after the other. */
function devicesOf(table: DeviceTable, places: readonly Place[]): Device[] {
  const records = places.map((place) =>
    hopRecord({
      ...place,
      time: TAPE_START,
      skb: 0xffff_8880_0000_0100n,
      head: 0xffff_8880_0000_0200n,
      stage: 'ingress',
      frame: new Uint8Array(64),
    }),
  );
  const batch = frameRecords(records);
  const cursor = new RecordCursor(new Epoch(TAPE_START));
  cursor.borrow(batch, batch.byteLength);
  const devices: Device[] = [];
  while (cursor.next()) devices.push(table.of(cursor));
  return devices;
}

test('a device is one as long as it has its name', () => {
  const [first, other, again] = devicesOf(new DeviceTable(), [CALI1, ENS111, CALI1]);
  expect(again).toBe(first);
  expect(other).not.toBe(first);
  expect(first).toMatchObject({ name: 'calice0906292e2', kind: 'veth', mtu: 1450, ifindex: 5 });
});

test.each([
  ['another name', { dev: 'lan0' }],
  ['a name that differs in its last letter', { dev: 'calice0906292e3' }],
  ['another kind under the same index', { kind: 'vxlan' }],
])('a device with %s is another, and the one before it stays as it was', (_, change) => {
  const table = new DeviceTable();
  const [before, after] = devicesOf(table, [CALI1, { ...CALI1, ...change }]);
  expect(before).toMatchObject({ name: CALI1.dev, kind: CALI1.kind });
  expect(after).toMatchObject({
    name: CALI1.dev,
    kind: CALI1.kind,
    ifindex: 5,
    ...toDevice(change),
  });
  expect(after?.index).not.toBe(before?.index);
  expect(table.size).toBe(1);
});

function toDevice(change: { dev?: string; kind?: string }): { name?: string; kind?: string } {
  return {
    ...(change.dev === undefined ? {} : { name: change.dev }),
    ...(change.kind === undefined ? {} : { kind: change.kind }),
  };
}

test('a new MTU makes no new device', () => {
  const [before, after] = devicesOf(new DeviceTable(), [CALI1, { ...CALI1, mtu: 1400 }]);
  expect(after).toBe(before);
  expect(after?.mtu).toBe(1400);
});

test('one past the limit the oldest goes, and is counted', () => {
  const table = new DeviceTable(2);
  const places = [1, 2, 3].map((ifindex) => ({ ...CALI1, ifindex }));
  const [first] = devicesOf(table, places);
  expect(table.size).toBe(2);
  expect(table.evicted).toBe(1);
  expect(devicesOf(table, places.slice(0, 1))[0]).not.toBe(first);
});
