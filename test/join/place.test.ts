import { describe, expect, test } from 'vitest';
import { Device } from '../../src/join/device-table.js';
import { NO_HOOK, PlaceTable } from '../../src/join/place.js';
import * as layout from '../../src/wire/layout.gen.js';

const { STAGE_EGRESS, STAGE_INGRESS, STAGE_NETFILTER, STAGE_DELIVER } = layout;

describe('places', () => {
  test('equal ones are the same object, others are not', () => {
    const table = new PlaceTable();
    const [one, other] = [new Device(1, 1, 1), new Device(2, 1, 2)];
    const place = table.of(one, STAGE_NETFILTER, 0, -301);
    expect(place).toMatchObject({ device: one, stage: STAGE_NETFILTER, hook: 0, priority: -301 });
    const others = [
      table.of(other, STAGE_NETFILTER, 0, -301),
      table.of(one, STAGE_NETFILTER, 1, -301),
      table.of(one, STAGE_NETFILTER, 0, -300),
      table.of(one, STAGE_EGRESS, NO_HOOK, 0),
      table.of(one, STAGE_INGRESS, NO_HOOK, 0),
    ];
    expect(new Set([place, ...others]).size).toBe(6);
    expect(table.of(one, STAGE_NETFILTER, 0, -301)).toBe(place);
    expect(table.size).toBe(6);
  });

  test('are the same though another was met in the same near slot since', () => {
    const table = new PlaceTable();
    const devices = Array.from({ length: 5_000 }, (_, at) => new Device(at + 1, 1, at + 1));
    const places = devices.map((device) => table.of(device, STAGE_EGRESS, NO_HOOK, 0));
    expect(devices.every((one, at) => table.of(one, STAGE_EGRESS, NO_HOOK, 0) === places[at])).toBe(
      true,
    );
  });

  test('every priority from the least to the greatest is one of its own', () => {
    const table = new PlaceTable();
    const device = new Device(1, 1, 1);
    const priorities = [-32768, -301, -1, 0, 1, 32767];
    const places = priorities.flatMap((priority) =>
      [0, 1, 2, 3, 4].map((hook) => table.of(device, STAGE_NETFILTER, hook, priority)),
    );
    expect(new Set(places).size).toBe(30);
    expect(places.map(({ priority }) => priority)).toEqual(
      priorities.flatMap((priority) => Array<number>(5).fill(priority)),
    );
  });

  test('those of one hook are one leg, whatever their priority', () => {
    const table = new PlaceTable();
    const device = new Device(3, 1, 1);
    const key = (stage: number, hook: number, priority: number): number =>
      table.of(device, stage, hook, priority).legKey;
    expect(key(STAGE_NETFILTER, 2, -1)).toBe(key(STAGE_NETFILTER, 2, 1));
    const keys = [
      ...[0, 1, 2, 3, 4].map((hook) => key(STAGE_NETFILTER, hook, 0)),
      ...[STAGE_EGRESS, STAGE_INGRESS, STAGE_DELIVER].map((stage) => key(stage, NO_HOOK, 0)),
      table.of(new Device(4, 1, 2), STAGE_EGRESS, NO_HOOK, 0).legKey,
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('one past the limit all are forgotten, counted, and learned again', () => {
    const table = new PlaceTable(3);
    const device = new Device(1, 1, 1);
    const of = (priority: number): object => table.of(device, STAGE_NETFILTER, 0, priority);
    const first = [of(1), of(2), of(3)];
    expect([table.size, table.cleared]).toEqual([3, 0]);
    expect(of(1)).toBe(first[0]);
    of(4);
    expect([table.size, table.cleared]).toEqual([1, 1]);
    const again = of(1);
    expect(again).not.toBe(first[0]);
    expect(again).toEqual(first[0]);
    expect([table.size, table.cleared]).toEqual([2, 1]);
  });

  test('a place that is known is found in a full table, and clears nothing', () => {
    const table = new PlaceTable(5_000);
    const devices = Array.from({ length: 5_000 }, (_, at) => new Device(at + 1, 1, at + 1));
    const places = devices.map((device) => table.of(device, STAGE_EGRESS, NO_HOOK, 0));
    // More than there are near slots: some are looked up in the table itself.
    expect(devices.every((one, at) => table.of(one, STAGE_EGRESS, NO_HOOK, 0) === places[at])).toBe(
      true,
    );
    expect(table.cleared).toBe(0);
  });
});
