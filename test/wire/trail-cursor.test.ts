import { describe, expect, test } from 'vitest';
import * as layout from '../../src/wire/layout.gen.js';
import { TrailCursor } from '../../src/wire/trail-cursor.js';
import { packetBytes } from '../fixtures/packet-bytes.js';
import { GOLDEN_TRAIL, GOLDEN_TRAIL6 } from '../fixtures/wire-golden.js';
import { type HopDescription, trailRecord } from '../fixtures/wire-record.js';
import { damaged, EPOCH, HEAD, onRecord, SKB } from './golden-cursor.js';

/** Where a golden record begins in the bytes of its cursor. */
const AT = 8;

function begun(record: Uint8Array): TrailCursor {
  const trail = new TrailCursor();
  trail.begin(onRecord(record));
  return trail;
}

/** On the nth hop, counted from 1. */
function onHop(record: Uint8Array, n: number): TrailCursor {
  const trail = begun(record);
  for (let i = 0; i < n; i++) {
    expect(trail.next()).toBe(true);
  }
  return trail;
}

/** How many hops can be read, and why no more. */
function readable(record: Uint8Array): [number, string | null] {
  const trail = begun(record);
  let hops = 0;
  while (trail.next()) {
    hops += 1;
  }
  expect(trail.next()).toBe(false);
  return [hops, trail.error];
}

describe('a golden trail, hop by hop', () => {
  test('the trail', () => {
    const trail = begun(GOLDEN_TRAIL);
    expect(trail).toMatchObject({
      skb: 0x8880_0400_a100,
      sock: 0x8880_5040_2400,
      end: layout.END_DROP,
      endTime: 2_002_000,
      hops: 5,
      error: null,
    });
    expect(readable(GOLDEN_TRAIL)).toEqual([5, null]);
  });

  test('with a snapshot', () => {
    const hop = onHop(GOLDEN_TRAIL, 1);
    expect(hop).toMatchObject({
      time: 2_000_000,
      netns: 4026532101,
      ifindex: 2,
      mark: 0,
      len: 54,
      stage: layout.STAGE_EGRESS,
      hook: 0xff,
      ttl: 64,
      ctInfo: 0xff,
      snapshot: AT + 72,
      bytes: AT + 96,
      link: -1,
      conntrack: -1,
      drop: -1,
      head: 0x8880_050a_c000,
    });
    const fields = [
      [layout.SNAPSHOT_L3_OFFSET, 14],
      [layout.SNAPSHOT_LENGTH, 54],
      [layout.SNAPSHOT_PROTOCOL, 0x800],
      [layout.SNAPSHOT_GSO_SIZE, 0],
      [layout.SNAPSHOT_GSO_SEGS, 0],
      [layout.SNAPSHOT_VLAN_TCI, 7],
      [layout.SNAPSHOT_VLAN_PROTO, 0x8100],
    ] as const;
    for (const [field, value] of fields) {
      expect(hop.snapshotU16(field)).toBe(value);
    }
    expect(hop.view.getUint8(hop.bytes + 14)).toBe(0x45);
  });

  test('with a link header', () => {
    const hop = onHop(GOLDEN_TRAIL, 2);
    expect(hop).toMatchObject({
      time: 2_000_100,
      netns: 4026532111,
      ifindex: 5,
      mark: 0x40000,
      stage: layout.STAGE_INGRESS,
      link: AT + 186,
      snapshot: -1,
      conntrack: -1,
    });
    expect(hop.view.getUint8(hop.link + 11)).toBe(0xd6);
  });

  test("with conntrack's entry", () => {
    const hop = onHop(GOLDEN_TRAIL, 3);
    expect(hop).toMatchObject({
      time: 2_000_200,
      len: 40,
      priority: -101,
      stage: layout.STAGE_NETFILTER,
      hook: 0,
      ttl: 63,
      ctInfo: 2,
      conntrack: AT + 232,
      link: -1,
      snapshot: -1,
      drop: -1,
    });
    const { view, conntrack: at } = hop;
    expect(view.getBigUint64(at + layout.CONNTRACK_CT, true)).toBe(0xffff_8880_1000_5a00n);
    expect(view.getUint32(at + layout.CONNTRACK_STATUS, true)).toBe(0x198);
    expect(view.getUint16(at + layout.CONNTRACK_ZONE, true)).toBe(3);
    expect(view.getUint8(at + layout.CONNTRACK_PROTONUM)).toBe(6);
    const original = at + layout.CONNTRACK4_ORIGINAL;
    expect(view.getUint32(original + layout.TUPLE4_SRC)).toBe(0x0af499cc);
    expect(view.getUint32(original + layout.TUPLE4_DST)).toBe(0x0a6ba1ff);
    expect(view.getUint16(original + layout.TUPLE4_SPORT)).toBe(38610);
    expect(view.getUint16(original + layout.TUPLE4_DPORT)).toBe(8080);
    const reply = at + layout.CONNTRACK4_REPLY;
    expect(view.getUint32(reply + layout.TUPLE4_SRC)).toBe(0x0af499c9);
    expect(view.getUint16(reply + layout.TUPLE4_SPORT)).toBe(80);
  });

  test('with nothing: no block of the hop before is left', () => {
    expect(onHop(GOLDEN_TRAIL, 4)).toMatchObject({
      time: 2_000_300,
      priority: -99,
      flags: 0,
      link: -1,
      snapshot: -1,
      conntrack: -1,
      drop: -1,
      dropReason: 0,
      dropHolders: 0,
      dropLocation: 0n,
    });
  });

  test('a drop', () => {
    const hop = onHop(GOLDEN_TRAIL, 5);
    expect(hop).toMatchObject({
      time: 2_002_000,
      netns: 0,
      ifindex: 0,
      stage: layout.STAGE_DROP,
      snapshot: AT + 336,
      drop: AT + 400,
      dropReason: 10,
      dropHolders: 2,
      dropLocation: 0xffffffff81345678n,
    });
    expect(hop.snapshotU16(layout.SNAPSHOT_GSO_SIZE)).toBe(1440);
    expect(hop.snapshotU16(layout.SNAPSHOT_GSO_SEGS)).toBe(2);
  });

  test("IPv6: conntrack's other form, and a delivery", () => {
    const hop = onHop(GOLDEN_TRAIL6, 1);
    expect(hop).toMatchObject({ hops: 2, end: layout.END_DELIVER, endTime: 5_001_000, sock: 0 });
    expect(hop).toMatchObject({ priority: 101, hook: 1, ttl: 63, ctInfo: 0, len: 49 });
    expect(hop.snapshotU16(layout.SNAPSHOT_PROTOCOL)).toBe(0x86dd);
    const { view, conntrack: at } = hop;
    expect(view.getUint8(at + layout.CONNTRACK_L3NUM)).toBe(10);
    expect(view.getUint8(at + layout.CONNTRACK6_ORIGINAL + layout.TUPLE6_SRC + 15)).toBe(0x0c);
    expect(view.getUint8(at + layout.CONNTRACK6_ORIGINAL + layout.TUPLE6_DST + 15)).toBe(0x09);
    expect(view.getUint16(at + layout.CONNTRACK6_REPLY + layout.TUPLE6_SPORT)).toBe(5353);
    expect(view.getUint16(at + layout.CONNTRACK6_REPLY + layout.TUPLE6_DPORT)).toBe(33333);
    expect(hop.next()).toBe(true);
    expect(hop).toMatchObject({
      time: 5_001_000,
      netns: 4026532102,
      stage: layout.STAGE_DELIVER,
      deliverSock: 0x8880_3020_1000,
      conntrack: -1,
      error: null,
    });
    expect(hop.next()).toBe(false);
    expect(hop.error).toBeNull();
  });
});

describe('the builder that other tests use writes the same bytes', () => {
  const NODE = { netns: 4026532111, ifindex: 5, mark: 0x40000 };
  const SYN = {
    proto: 'tcp',
    src: '10.244.153.204',
    dst: '10.107.161.255',
    id: 7,
    dontFragment: true,
    sport: 38610,
    dport: 8080,
    seq: 1000,
    flags: 'S',
  } as const;
  const at = (ns: number): { time: bigint; skb: bigint; head: bigint } => ({
    time: EPOCH + 2_000_000n + BigInt(ns),
    skb: SKB,
    head: HEAD,
  });

  test('every block of a trail', () => {
    const frame = GOLDEN_TRAIL.slice(96, 150);
    const moved = damaged(frame, 11, 0xd6);
    const routed = packetBytes({ ...SYN, ttl: 63 });
    const translated = packetBytes({ ...SYN, ttl: 63, dst: '10.244.153.201', dport: 80 });
    expect(packetBytes(SYN)).toEqual(frame.subarray(14));
    const hops: HopDescription[] = [
      {
        ...at(0),
        cpu: 1,
        sock: 0xffff_8880_5040_2400n,
        stage: 'egress',
        netns: 4026532101,
        ifindex: 2,
        frame,
        l3Offset: 14,
        vlan: { tci: 7, proto: 0x8100 },
      },
      { ...at(100), ...NODE, stage: 'ingress', frame: moved, l3Offset: 14 },
      {
        ...at(200),
        ...NODE,
        stage: 'netfilter',
        hook: 'prerouting',
        priority: -101,
        frame: routed,
        ctInfo: 'new',
        ct: {
          address: 0xffff_8880_1000_5a00n,
          status: 0x198,
          zone: 3,
          original: { ...SYN, protocol: 6 },
          reply: {
            src: '10.244.153.201',
            dst: '10.244.153.204',
            sport: 80,
            dport: 38610,
            protocol: 6,
          },
        },
      },
      {
        ...at(300),
        ...NODE,
        stage: 'netfilter',
        hook: 'prerouting',
        priority: -99,
        frame: routed,
        ctInfo: 'new',
      },
      {
        ...at(2000),
        stage: 'drop',
        netns: 0,
        mark: 0x40000,
        frame: translated,
        gso: { size: 1440, segs: 2 },
        ctInfo: 'new',
        location: 0xffffffff81345678n,
        reason: 10,
        dataref: 2,
      },
    ];
    const record = trailRecord(
      hops.map((hop, index) => ({ hop, snapshot: index === 0 || index === 4, link: index === 1 })),
      { end: 'drop' },
    );
    expect(record).toEqual(GOLDEN_TRAIL);
  });

  test('IPv6 and a delivery', () => {
    const udp = {
      proto: 'udp',
      src: 'fd00:10:244:99c0::c',
      dst: 'fd00:10:244:99c0::9',
      sport: 33333,
      dport: 5353,
    } as const;
    const time = EPOCH + 5_000_000n;
    const reply = { src: udp.dst, dst: udp.src, sport: 5353, dport: 33333, protocol: 17 };
    const seen: HopDescription = {
      time,
      skb: SKB,
      head: HEAD,
      stage: 'netfilter',
      hook: 'input',
      priority: 101,
      netns: 4026532102,
      ifindex: 2,
      frame: packetBytes({ ...udp, ttl: 63, payload: 1 }),
      protocol: 0x86dd,
      ctInfo: 'established',
      ct: {
        address: 0xffff_8880_1000_5b00n,
        status: 0xe,
        original: { ...udp, protocol: 17 },
        reply,
      },
    };
    const taken: HopDescription = {
      time: time + 1000n,
      skb: SKB,
      head: HEAD,
      stage: 'deliver',
      netns: 4026532102,
      frame: new Uint8Array(0),
      sock: 0xffff_8880_3020_1000n,
    };
    const record = trailRecord([{ hop: seen }, { hop: taken, snapshot: false }], {
      end: 'deliver',
    });
    expect(record).toEqual(GOLDEN_TRAIL6);
  });
});

describe('what cannot be read is refused with what follows, and what is before it stays', () => {
  /** A trail that ends after so many bytes. */
  const cut = (record: Uint8Array, size: number): Uint8Array => record.slice(0, size);

  test.each([
    ['stage 0', damaged(GOLDEN_TRAIL, 152 + 26, 0), 1, 'WIRE_BAD_STAGE'],
    ['stage 6', damaged(GOLDEN_TRAIL, 200 + 26, 6), 2, 'WIRE_BAD_STAGE'],
    ['a snapshot of 177 bytes', damaged(GOLDEN_TRAIL, 82, 177), 0, 'WIRE_BAD_SNAPSHOT'],
    ['a snapshot of 65535 bytes', damaged(GOLDEN_TRAIL, 346, 255, 255), 4, 'WIRE_BAD_SNAPSHOT'],
    ['a snapshot longer than the rest', damaged(GOLDEN_TRAIL, 346, 64), 4, 'WIRE_BAD_TRAIL'],
    ['a snapshot without its beginning', cut(GOLDEN_TRAIL, 359), 4, 'WIRE_BAD_TRAIL'],
    ['a snapshot without its end', cut(GOLDEN_TRAIL, 399), 4, 'WIRE_BAD_TRAIL'],
    ['a link header cut short', cut(GOLDEN_TRAIL, 199), 1, 'WIRE_BAD_TRAIL'],
    ['an entry cut short', cut(GOLDEN_TRAIL, 247), 2, 'WIRE_BAD_TRAIL'],
    ['a tuple cut short', cut(GOLDEN_TRAIL, 271), 2, 'WIRE_BAD_TRAIL'],
    ['a tuple of IPv6 cut short', cut(GOLDEN_TRAIL6, 239), 0, 'WIRE_BAD_TRAIL'],
    ['a drop cut short', cut(GOLDEN_TRAIL, 415), 4, 'WIRE_BAD_TRAIL'],
    ['a delivery without its socket', cut(GOLDEN_TRAIL6, 279), 1, 'WIRE_BAD_TRAIL'],
    ['a hop cut short', cut(GOLDEN_TRAIL, 303), 3, 'WIRE_BAD_TRAIL'],
    ['a hop that is missing', cut(GOLDEN_TRAIL, 272), 3, 'WIRE_BAD_TRAIL'],
    ['more hops than there are', damaged(GOLDEN_TRAIL, 36, 6), 5, 'WIRE_BAD_TRAIL'],
    ['fewer hops than there are', damaged(GOLDEN_TRAIL, 36, 4), 4, 'WIRE_BAD_TRAIL'],
    ['no hops', damaged(GOLDEN_TRAIL, 36, 0), 0, 'WIRE_BAD_TRAIL'],
    ['a flag that nobody knows', damaged(GOLDEN_TRAIL, 172, 33), 1, 'WIRE_BAD_TRAIL'],
    ['the highest flag', damaged(GOLDEN_TRAIL, 292 + 3, 0x80), 3, 'WIRE_BAD_TRAIL'],
  ])('%s', (_name, record, hops, error) => {
    expect(readable(record)).toEqual([hops, error]);
  });

  test('cut at every byte: never more than was there, never without a reason', () => {
    for (let size = 40; size < GOLDEN_TRAIL.length; size++) {
      const [hops, error] = readable(cut(GOLDEN_TRAIL, size));
      expect(hops).toBeLessThan(5);
      expect(error).toBe('WIRE_BAD_TRAIL');
    }
  });

  test('the greatest snapshot and the last stage are good', () => {
    const frame = new Uint8Array(200).fill(1);
    const hop = { time: EPOCH, skb: SKB, head: HEAD, netns: 1, frame, len: 200 } as const;
    const record = trailRecord([{ hop: { ...hop, stage: 'drop' } }]);
    expect(readable(record)).toEqual([1, null]);
    expect(onHop(record, 1).snapshotU16(layout.SNAPSHOT_LENGTH)).toBe(176);
  });

  test('an entry without tuples has 16 bytes, and a family nobody knows as well', () => {
    for (const family of [0, 7]) {
      // The tuples of hop 3 are not skipped, so hop 4 is looked for where they are.
      const record = damaged(GOLDEN_TRAIL, 246, family);
      const [hops] = readable(record);
      expect(hops).toBe(3);
      expect(onHop(record, 3).conntrack).toBe(AT + 232);
    }
  });

  test('the next trail starts without the fault of the last', () => {
    const trail = begun(damaged(GOLDEN_TRAIL, 152 + 26, 0));
    while (trail.next()) {
      // up to the fault
    }
    expect(trail.error).toBe('WIRE_BAD_STAGE');
    trail.begin(onRecord(GOLDEN_TRAIL6));
    expect([trail.next(), trail.error]).toEqual([true, null]);
  });
});
