import { expect, test } from 'vitest';
import { type Device, DeviceTable } from '../../src/join/device-table.js';
import { CALI1, ENS111, type Place } from '../fixtures/places.js';

/** The devices that the kernel announces as these places, one after the other. */
function devicesOf(table: DeviceTable, places: readonly Place[]): Device[] {
  return places.map(({ dev, devType, ...place }, time) =>
    table.learn({ ...place, name: dev, type: devType }, time),
  );
}

test('a device that a hop names before it is announced is the one that is announced', () => {
  const table = new DeviceTable();
  const named = table.of(CALI1.netns, CALI1.ifindex, 0);
  expect(named.name).toBe('');
  const [announced] = devicesOf(table, [CALI1]);
  expect(announced).toBe(named);
  expect(table.of(CALI1.netns, CALI1.ifindex, 5)).toBe(named);
});

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

test('a hop is on the device as it was called then', () => {
  const table = new DeviceTable();
  const { dev: name, devType: type, ...cali } = CALI1;
  const before = table.learn({ ...cali, name, type }, 100);
  const after = table.learn({ ...cali, name: 'lan0', type }, 200);
  const at = (time: number): Device => table.of(CALI1.netns, CALI1.ifindex, time);
  expect([at(50), at(199), at(200), at(1000)]).toEqual([before, before, after, after]);
  // Another CPU's announcement of the device as it was comes late.
  expect(table.learn({ ...cali, name, type }, 150)).toBe(before);
  expect(at(300)).toBe(after);
  // Called as before again it is a device of its own, from then on.
  const again = table.learn({ ...cali, name, type }, 400);
  expect([at(399), at(400)]).toEqual([after, again]);
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
