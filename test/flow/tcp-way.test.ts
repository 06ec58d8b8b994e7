import { describe, expect, test } from 'vitest';
import { LOST_PLACES_LIMIT, TcpWay, UNARRIVED_LIMIT } from '../../src/flow/tcp-way.js';
import { Device } from '../../src/join/device-table.js';
import { NO_HOOK, Place } from '../../src/join/place.js';
import * as layout from '../../src/wire/layout.gen.js';

const UPLINK = new Place(new Device(1, 100, 3), layout.STAGE_EGRESS, NO_HOOK, 0);
const POD = new Place(new Device(2, 101, 2), layout.STAGE_INGRESS, NO_HOOK, 0);
const NETFILTER_DROP = 6;

/** A segment of 100 bytes that is sent at `sentAt` and arrives 10 later. */
function arrived(seq: number, sentAt: number, arrivedAt = sentAt + 10) {
  const isStartSeen = true;
  return { seq, end: (seq + 100) | 0, sentAt, arrivedAt, isStartSeen, lastPlace: POD, reason: -1 };
}

function lost(seq: number, sentAt: number, lastPlace = UPLINK, reason = -1) {
  return { ...arrived(seq, sentAt, -1), lastPlace, reason };
}

describe('retransmissions', () => {
  test('one whose first copy vanished says where', () => {
    const way = new TcpWay();
    way.sent(arrived(0, 1));
    way.sent(lost(100, 2));
    way.sent(arrived(200, 3));
    way.sent(arrived(100, 400));
    expect(way.retransmitted).toBe(1);
    expect(way.lostPlaces).toEqual([{ place: UPLINK, reason: -1, segments: 1 }]);
    expect([way.arrivedBefore, way.unexplained, way.outOfOrder]).toEqual([0, 0, 0]);
  });

  test('one whose first copy had arrived was no loss of it', () => {
    const way = new TcpWay();
    way.sent(arrived(0, 1));
    way.sent(arrived(100, 2));
    way.sent(arrived(0, 300));
    expect([way.retransmitted, way.arrivedBefore, way.unexplained]).toEqual([1, 1, 0]);
  });

  test('one whose first copy was not seen is not explained', () => {
    const way = new TcpWay();
    way.sent(arrived(0, 1));
    way.sent(arrived(200, 3));
    way.sent(arrived(100, 300));
    expect([way.retransmitted, way.unexplained, way.lostPlaces]).toEqual([1, 1, null]);
  });

  test('a first copy that ends after it was sent again still says where', () => {
    const way = new TcpWay();
    way.sent(arrived(0, 1));
    way.sent(arrived(200, 3));
    way.sent(arrived(100, 300));
    way.sent(lost(100, 2, UPLINK, NETFILTER_DROP));
    expect(way.lostPlaces).toEqual([{ place: UPLINK, reason: NETFILTER_DROP, segments: 1 }]);
    expect([way.unexplained, way.outOfOrder]).toEqual([0, 0]);
  });

  test('numbers that wrap around are in order', () => {
    const way = new TcpWay();
    way.sent(arrived(0xffff_ff9c | 0, 1));
    way.sent(arrived(0, 2));
    expect(way.retransmitted).toBe(0);
  });

  test('one past the limit forgets the segment that did not arrive longest ago', () => {
    const way = new TcpWay();
    for (let n = 0; n <= UNARRIVED_LIMIT; n++) way.sent(lost(n * 100, 1 + n));
    way.sent(arrived(0, 900));
    way.sent(arrived(100, 901));
    expect([way.retransmitted, way.unexplained]).toEqual([2, 1]);
  });

  test('one place past the limit is counted and not named', () => {
    const way = new TcpWay();
    for (let n = 0; n <= LOST_PLACES_LIMIT; n++) {
      way.sent(lost(n * 100, 10 * n + 1, UPLINK, n));
      way.sent(arrived(n * 100, 10 * n + 2));
    }
    expect(way.lostPlaces).toHaveLength(LOST_PLACES_LIMIT);
    expect([way.placesRefused, way.unexplained]).toEqual([1, 0]);
  });
});

test('a segment sent before another that arrives after it is out of order', () => {
  const way = new TcpWay();
  way.sent(arrived(0, 1));
  way.sent(arrived(200, 3, 13));
  way.sent(arrived(100, 2, 20));
  expect([way.outOfOrder, way.retransmitted]).toEqual([1, 0]);
});

describe('round trips', () => {
  test('from a segment to its acknowledgment', () => {
    const way = new TcpWay();
    way.sent(arrived(0, 1_000));
    expect(way.acknowledged(100, 51_000)).toBeGreaterThan(0);
    expect(way.rtt?.max).toBe(50_000);
  });

  test('not of a segment that was sent twice', () => {
    const way = new TcpWay();
    way.sent(lost(0, 1_000));
    way.sent(arrived(0, 9_000));
    way.acknowledged(100, 51_000);
    expect(way.rtt).toBeNull();
  });

  test('not where the acknowledgment was not seen to arrive, or is of something else', () => {
    const way = new TcpWay();
    way.sent(arrived(0, 1_000));
    way.acknowledged(50, 2_000);
    way.acknowledged(100, -1);
    expect(way.rtt).toBeNull();
  });
});

test('a window is counted once for each time that it closes', () => {
  const way = new TcpWay();
  for (const window of [500, 0, 0, 800, 0]) way.noteWindow(window);
  expect([way.zeroWindows, way.isWindowClosed]).toEqual([2, true]);
});
