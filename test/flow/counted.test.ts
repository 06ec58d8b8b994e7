import { describe, expect, test } from 'vitest';
import type { Counted } from '../../src/flow/counted.js';
import { ORIGINAL, REPLY } from '../../src/flow/direction-index.js';
import type { Flow } from '../../src/flow/flow.js';
import { FlowTable } from '../../src/flow/flow-table.js';
import { IDLE_NS } from '../../src/flow/idle-expiry.js';
import { CUT_START } from '../../src/join/path.js';
import { HOOK_FORWARD } from '../../src/packet/netfilter-hook.js';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../src/packet/tcp.js';
import { nth } from '../fixtures/joined.js';
import { PathMaker } from '../fixtures/path-of.js';
import {
  ADDRESSES,
  CALI1,
  CALI2,
  CALI3,
  ENS111,
  NETNS,
  type Place,
  POD1_ETH0,
  POD2_ETH0,
} from '../fixtures/places.js';
import { fc } from '../fixtures/properties.js';

import { Translated } from './translated.js';

const SECOND = 1e9;

function packets(flow: Flow): number[] {
  return [flow.packets(ORIGINAL), flow.packets(REPLY)];
}

describe('a flow that nobody traced', () => {
  test('is one, joined across translation, with what both ends counted', () => {
    const it = new Translated();
    it.table.count(it.counted(CALI1, 'in', 12));
    it.table.count(it.counted(CALI2, 'out', 11));
    // The answer's first is later: 20 ns at the server's end, 10 at the client's.
    it.table.count(it.counted(CALI2, 'in', 9, { first: 1_000_100 }));
    it.table.count(it.counted(CALI1, 'out', 9, { first: 1_000_200 }));
    const flow = it.only;
    expect(flow.original).toBe(it.asked);
    expect(flow.reply).toBe(it.answer);
    expect(packets(flow)).toEqual([12, 9]);
    expect([flow.bytes(ORIGINAL), flow.bytes(REPLY)]).toEqual([1_200, 900]);
    expect(flow.counted(ORIGINAL)).toEqual({ atSource: 12, atDestination: 11 });
    expect(flow.counted(REPLY)).toEqual({ atSource: 9, atDestination: 9 });
    expect(flow).toMatchObject({ state: 'active', paths: 0, largest: 100, lost: 0 });
    expect(flow.start).toBe(1_000_000);
    expect(flow.last).toBe(2_000_000);
  });

  test('is one whatever order its counts come in, and seen from the side that began it', () => {
    const all = [0, 1, 2, 3];
    const orders = all.flatMap((a) =>
      all.flatMap((b) => all.flatMap((c) => all.map((d) => [a, b, c, d]))),
    );
    for (const order of orders.filter((one) => new Set(one).size === 4)) {
      const it = new Translated();
      const counts = [
        it.counted(CALI1, 'in', 12),
        it.counted(CALI2, 'out', 11),
        it.counted(CALI2, 'in', 9, { first: 1_000_100 }),
        it.counted(CALI1, 'out', 8, { first: 1_000_200 }),
      ];
      for (const index of order) {
        it.table.count(nth(counts, index));
      }
      const flow = it.only;
      expect([order, flow.original.src, flow.original.dst]).toEqual([
        order,
        ADDRESSES.pod1,
        ADDRESSES.service,
      ]);
      expect([flow.counted(ORIGINAL), flow.counted(REPLY)]).toEqual([
        { atSource: 12, atDestination: 11 },
        { atSource: 9, atDestination: 8 },
      ]);
    }
  });

  test('is not begun again by the removal of what it counted, long after it has ended', () => {
    const it = new Translated();
    const flags = { tcpFlags: TCP_SYN | TCP_ACK | TCP_RST };
    it.table.count(it.counted(CALI1, 'in', 5, flags));
    it.table.count(it.counted(CALI1, 'out', 4, flags));
    const last = it.only.last;
    it.table.count(it.counted(CALI1, 'in', 6, { ...flags, gone: true }));
    expect(packets(it.only)).toEqual([6, 4]);
    it.table.expireIdle(last + IDLE_NS.closed + 1);
    expect(it.table.size).toBe(0);
    it.table.count(it.counted(CALI1, 'in', 6, { ...flags, gone: true }));
    it.table.count(it.counted(CALI1, 'out', 4, { ...flags, gone: true }));
    expect(it.table.size).toBe(0);
  });

  test('without conntrack the direction that was counted first is the original', () => {
    const maker = new PathMaker();
    const table = new FlowTable(maker.tuples);
    const asked = maker.tuple({ src: '10.0.0.1', dst: '10.0.0.2', sport: 5, dport: 53 }, 'udp');
    const count = {
      ...{ netns: 1, ifindex: 2, packets: 3, bytes: 300, largest: 100, tcpFlags: 0 },
      ...{ last: 9_000, gone: false, ctOriginal: null, ctReply: null },
    };
    const answered = asked.reversed(maker.tuples);
    table.count({ ...count, direction: 'out', tuple: answered, first: 2_000 });
    table.count({ ...count, direction: 'in', tuple: asked, first: 1_000, packets: 4 });
    const flow = nth(table.changedSince(0), 0);
    expect([table.size, flow.original, flow.reply]).toEqual([1, asked, answered]);
    expect(packets(flow)).toEqual([4, 3]);
  });

  test('a single SYN, or the answer to one, proves who began', () => {
    for (const [flags, original] of [
      [TCP_SYN, true],
      [TCP_SYN | TCP_ACK, false],
    ] as const) {
      const it = new Translated();
      it.table.count(it.counted(CALI1, 'in', 1, { tcpFlags: flags }));
      expect(it.only.original === it.asked).toBe(original);
      expect(it.only.proven).toBe(true);
    }
  });

  test('its state comes from the flags counted', () => {
    const it = new Translated();
    const state = (): string => it.only.state;
    it.table.count(it.counted(CALI1, 'in', 1, { tcpFlags: TCP_SYN }));
    expect(state()).toBe('new');
    it.table.count(it.counted(CALI1, 'out', 1, { tcpFlags: TCP_SYN | TCP_ACK, first: 1_000_100 }));
    expect(state()).toBe('active');
    it.table.count(it.counted(CALI1, 'in', 3, { tcpFlags: TCP_SYN | TCP_ACK | TCP_FIN }));
    expect(state()).toBe('closing');
    const all = TCP_SYN | TCP_ACK | TCP_FIN;
    it.table.count(it.counted(CALI1, 'out', 2, { tcpFlags: all, first: 1_000_100 }));
    expect(state()).toBe('closed');
    const reset = new Translated();
    reset.table.count(reset.counted(CALI1, 'in', 2, { tcpFlags: TCP_SYN | TCP_RST }));
    expect(reset.only.state).toBe('closed');
  });

  test('stays while it is counted, and goes when it is not', () => {
    const it = new Translated();
    const last = 50 * SECOND;
    it.table.count(it.counted(CALI1, 'in', 1));
    it.table.count(it.counted(CALI1, 'in', 2, { last }));
    it.table.expireIdle(last + IDLE_NS.tcpNew);
    expect(it.table.size).toBe(1);
    it.table.expireIdle(last + IDLE_NS.tcpNew + 1);
    expect(it.table.size).toBe(0);
    // A count that says what it has said before brings nothing back.
    expect(it.table.count(it.counted(CALI1, 'in', 2, { last }))).toBeNull();
    expect(it.table.counters).toMatchObject({ expired: 1, countsStale: 1 });
  });

  test('is changed by a count that says something new, only by that', () => {
    const it = new Translated();
    it.table.count(it.counted(CALI1, 'in', 5));
    const { version } = it.table;
    expect(it.table.count(it.counted(CALI1, 'in', 5))).toBeNull();
    expect(it.table.version).toBe(version);
    expect(it.table.count(it.counted(CALI1, 'in', 4))).toBeNull();
    expect(it.table.count(it.counted(CALI1, 'in', 6))?.is(it.only)).toBe(true);
    expect(packets(it.only)).toEqual([6, 0]);
  });
});

describe('the device nearest to the source', () => {
  test('is that of the earliest packet; coming in is before leaving', () => {
    const it = new Translated();
    const first = 5_000_000;
    const at = (place: Place, direction: 'in' | 'out', n: number, time = first): Counted =>
      it.counted(place, direction, n, {
        tuple: it.asked,
        first: time,
        ctOriginal: null,
        ctReply: null,
      });
    it.table.count(at(CALI2, 'out', 7));
    it.table.count(at(CALI1, 'in', 9));
    expect(it.only.counted(ORIGINAL)).toEqual({ atSource: 9, atDestination: 7 });
    // One between the two says nothing, one further away does.
    it.table.count(at(CALI1, 'out', 8, first));
    it.table.count(at(CALI2, 'in', 6, first + 1));
    expect(it.only.counted(ORIGINAL)).toEqual({ atSource: 9, atDestination: 6 });
    it.table.count(at(ENS111, 'in', 10, first - 1));
    expect(it.only.counted(ORIGINAL)).toEqual({ atSource: 10, atDestination: 6 });
  });

  test('that begins to count anew goes on from where it was', () => {
    const it = new Translated();
    it.table.count(it.counted(CALI1, 'in', 10));
    it.table.count(it.counted(CALI1, 'in', 2, { first: 1_500_000 }));
    it.table.count(it.counted(CALI1, 'in', 5, { first: 1_500_000 }));
    it.table.count(it.counted(CALI1, 'in', 10));
    expect(packets(it.only)).toEqual([15, 0]);
    expect(it.only.bytes(ORIGINAL)).toBe(1_500);
  });
});

describe('what nobody traced, counted at two nodes', () => {
  const far = { netns: NETNS.node112, ifindex: CALI3.ifindex };
  /** What each node counts; the translation is known where answers leave the first. */
  function countsOf(it: Translated): Counted[] {
    const translated = it.maker.tuple({
      ...{ src: ADDRESSES.pod1, sport: 38_610, dst: ADDRESSES.pod2, dport: 80 },
    });
    const answer = translated.reversed(it.maker.tuples);
    const near = { ctOriginal: it.asked, ctReply: answer };
    const there = { ctOriginal: translated, ctReply: answer };
    const none = { ctOriginal: null, ctReply: null };
    return [
      it.counted(CALI1, 'in', 5, { ...none, first: 1_000_000 }),
      it.counted(CALI1, 'out', 4, { ...near, first: 1_000_400 }),
      it.counted(CALI2, 'out', 5, { ...far, ...there, tuple: translated, first: 1_000_100 }),
      it.counted(CALI2, 'in', 4, { ...far, ...none, tuple: answer, first: 1_000_300 }),
    ];
  }

  test('is one flow, translated, in whatever order the counts come', () => {
    const orders = fc.shuffledSubarray([0, 1, 2, 3, 0, 1, 2, 3], { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(orders, (order) => {
        const it = new Translated();
        const counts = countsOf(it);
        for (const at of order) it.table.count(counts[at] as Counted);
        const flow = it.only;
        expect(flow.original).toBe(it.asked);
        expect(flow.reply?.sport).toBe(80);
        expect(flow.counted(ORIGINAL)).toEqual({ atSource: 5, atDestination: 5 });
        expect(flow.counted(REPLY)).toEqual({ atSource: 4, atDestination: 4 });
      }),
    );
  });

  test.each([
    ['at another time', { first: 3_000_000_000, last: 3_100_000_000 }, ADDRESSES.pod2],
    ['of an address that means another host on each link', {}, '169.254.1.1'],
  ])('are two flows %s', (_, more, dst) => {
    const it = new Translated();
    const tuple = it.maker.tuple({ src: ADDRESSES.pod1, sport: 5, dst, dport: 6 });
    const none = { tuple, ctOriginal: null, ctReply: null };
    it.table.count(it.counted(CALI1, 'in', 5, none));
    it.table.count(it.counted(CALI2, 'out', 5, { ...far, ...none, ...more }));
    expect(it.flows).toHaveLength(2);
  });

  test('stays as many as it is where the tuple means two connections already', () => {
    const it = new Translated();
    const none = { tuple: it.answer, ctOriginal: null, ctReply: null };
    it.table.count(it.counted(CALI1, 'in', 5, none));
    it.table.count(
      it.counted(CALI2, 'out', 5, { ...far, ...none, first: 3_000_000_000, last: 3e9 }),
    );
    it.table.count(
      it.counted(CALI2, 'out', 5, { netns: 77, ifindex: 7, ...none, first: 1_000_001 }),
    );
    expect(it.flows).toHaveLength(3);
  });
});

describe('paths and counts of the same packets', () => {
  test('what was counted holds; what was traced says how many were traced', () => {
    const it = new Translated();
    it.table.add(it.path(false));
    it.table.add(it.path(true));
    expect(packets(it.only)).toEqual([1, 1]);
    it.table.count(it.counted(CALI1, 'in', 40));
    expect(packets(it.only)).toEqual([40, 1]);
    expect(it.only.paths).toBe(2);
    expect(it.only.counted(REPLY)).toBeNull();
  });

  test('a flow counted at two nodes is one as soon as a path goes from one to the other', () => {
    const it = new Translated();
    const { maker, table } = it;
    const far = { netns: NETNS.node112, ifindex: CALI3.ifindex, first: 1_000_500 };
    table.count(it.counted(CALI1, 'in', 5));
    table.count(it.counted(CALI2, 'out', 4, { ...far, ctOriginal: null, ctReply: null }));
    expect(table.size).toBe(2);
    const before = table.version;
    table.add(
      maker.path([
        maker.egress(POD1_ETH0, it.asked),
        maker.ingress(CALI1, it.asked),
        maker.egress(CALI3, it.arriving),
      ]),
    );
    expect(it.only.counted(ORIGINAL)).toEqual({ atSource: 5, atDestination: 4 });
    expect(table.counters).toMatchObject({ merged: 1, expired: 0, evicted: 0 });
    expect(table.removedSince(before)).toHaveLength(1);
    table.count(it.counted(CALI2, 'out', 5, { ...far, ctOriginal: null, ctReply: null }));
    expect(it.only.counted(ORIGINAL)).toEqual({ atSource: 5, atDestination: 5 });
  });

  test('a connection that was counted to its end before its first path is one flow', () => {
    const it = new Translated();
    const flags = { tcpFlags: TCP_SYN | TCP_ACK | TCP_RST };
    it.table.count(it.counted(CALI1, 'in', 5, flags));
    it.table.count(it.counted(CALI1, 'out', 4, flags));
    expect(it.only.state).toBe('closed');
    it.table.add(it.path(false, { tcpFlags: TCP_SYN, start: 999_000 }));
    it.table.add(it.path(true, { tcpFlags: TCP_SYN | TCP_ACK, start: 1_500_000 }));
    expect(packets(it.only)).toEqual([5, 4]);
    expect(it.only.paths).toBe(2);
  });

  test('a packet first seen after its translation is of the connection that conntrack names', () => {
    const cut = { fromSocket: false, cutByWindow: CUT_START };
    const orders = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(orders, (order) => {
        const it = new Translated();
        const { maker, table, arriving } = it;
        const hops = [
          maker.hook(CALI2, HOOK_FORWARD, 1, arriving, it.ct()),
          maker.egress(CALI2, arriving),
          maker.ingress(POD2_ETH0, arriving),
        ];
        const acts = [
          () => table.count(it.counted(CALI1, 'in', 5)),
          () => table.count(it.counted(CALI1, 'out', 4)),
          () => table.count(it.counted(CALI2, 'out', 5)),
          () => table.add(maker.path(hops, cut)),
          // In the pods there is no conntrack.
          () => table.add(maker.path([maker.ingress(POD2_ETH0, arriving)], cut)),
          () => table.add(maker.path([maker.ingress(POD1_ETH0, it.answered)], cut)),
        ];
        for (const at of order) acts[at]?.();
        expect(it.only.original.equals(it.asked)).toBe(true);
        expect(packets(it.only)).toEqual([5, 4]);
      }),
    );
  });

  test('a closed connection’s ports used again: each has its own packets', () => {
    const it = new Translated();
    it.table.count(it.counted(CALI1, 'in', 10, { tcpFlags: TCP_SYN | TCP_ACK | TCP_RST }));
    const first = it.only;
    it.table.add(it.path(false, { tcpFlags: TCP_SYN, start: 5 * SECOND }));
    const cumulative = { tcpFlags: TCP_SYN | TCP_ACK | TCP_RST };
    it.table.count(it.counted(CALI1, 'in', 13, cumulative));
    const [old, young] = it.flows;
    expect(old?.is(first)).toBe(true);
    expect([old, young].map((flow) => flow && packets(flow))).toEqual([
      [10, 0],
      [3, 0],
    ]);
    expect(young?.state).toBe('new');
  });

  test('ports used again and traced by nobody: known by a SYN where the count begins anew', () => {
    const it = new Translated();
    it.table.count(it.counted(CALI1, 'in', 10, { tcpFlags: TCP_SYN | TCP_ACK | TCP_RST }));
    it.table.count(it.counted(CALI1, 'in', 2, { tcpFlags: TCP_SYN | TCP_ACK, first: 3_000_000 }));
    expect(it.flows.map((flow) => packets(flow)[0])).toEqual([10, 2]);
  });

  test('a translated port given to another client: another flow', () => {
    const first = new Translated();
    const { maker, table } = first;
    table.count(first.counted(CALI2, 'out', 4));
    const asked = maker.tuple({
      ...{ src: ADDRESSES.pod1, sport: 40_000, dst: ADDRESSES.service, dport: 8080 },
    });
    table.count(
      first.counted(CALI2, 'out', 2, { first: 8 * SECOND, last: 9 * SECOND, ctOriginal: asked }),
    );
    expect(first.flows.map(({ original }) => original.sport)).toEqual([38_610, 40_000]);
    expect(first.flows.map((flow) => packets(flow)[0])).toEqual([4, 2]);
  });
});

test('whatever order paths and counts come in, it is one flow with the exact counts', () => {
  const step = fc.record({
    what: fc.constantFrom('path', 'count'),
    isReply: fc.boolean(),
    hasCt: fc.boolean(),
    isEnd: fc.boolean(),
    part: fc.integer({ min: 1, max: 100 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), fc.boolean(), (steps, proven) => {
      const it = new Translated();
      let last = 2 * SECOND;
      const count = (isReply: boolean, isEnd: boolean, part: number): void => {
        // The answer enters at pod2's end and leaves at pod1's.
        const at = isReply === isEnd ? CALI1 : CALI2;
        const total = isReply ? 1_000 : 2_000;
        const all = isEnd ? total - 10 : total;
        last += 1_000;
        it.table.count(
          it.counted(at, isEnd ? 'out' : 'in', Math.ceil((all * part) / 100), {
            first: SECOND + (isReply ? 100 : 0) + (isEnd ? 50 : 0),
            last,
          }),
        );
      };
      for (const { what, isReply, hasCt, isEnd, part } of steps) {
        if (what === 'path') {
          const tcpFlags = proven ? TCP_SYN | (isReply ? TCP_ACK : 0) : TCP_ACK;
          it.table.add(it.path(isReply, { tcpFlags, start: last }, hasCt));
        } else {
          count(isReply, isEnd, part);
        }
      }
      for (const isReply of [false, true]) {
        for (const isEnd of [true, false]) {
          count(isReply, isEnd, 100);
        }
      }
      const flow = it.only;
      const traced = steps.filter(({ what }) => what === 'path').length;
      expect(flow.paths).toBe(traced);
      const isTurned = !flow.original.equals(it.asked);
      // Only a flow first traced by an answer that proves nothing is seen the other way round.
      expect(isTurned && (proven || traced === 0)).toBe(false);
      const seen = [ORIGINAL, REPLY].map((direction) => flow.counted(direction as 0 | 1));
      expect(isTurned ? seen.reverse() : seen).toEqual([
        { atSource: 2_000, atDestination: 1_990 },
        { atSource: 1_000, atDestination: 990 },
      ]);
    }),
    { numRuns: 500 },
  );
});

test('one device past the limit: its counts are refused, and that is counted', () => {
  const it = new Translated({ pointLimit: 1 });
  it.table.count(it.counted(CALI1, 'in', 4));
  expect(it.table.count(it.counted(CALI2, 'out', 4))).toBeNull();
  expect(it.table.counters.pointsRefused).toBe(1);
  expect(packets(it.only)).toEqual([4, 0]);
});
