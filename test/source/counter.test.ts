import { readdirSync } from 'node:fs';
import { probeTcx } from 'ebpf-ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import type { Counter, CounterOptions } from '../../src/source/counter.js';
import {
  A,
  addPod,
  B,
  countedDevice,
  linkTraffic,
  makeCountedRouter,
  ROUTER,
  removeCountedRouter,
  removeDevice,
  SERVICE,
} from './counted-router.js';
import { MODES, type Row, rowsOf, startCounter, total, word } from './counted-rows.js';
import { flood, PORT, ping, send, sendRaw, transfer } from './counted-traffic.js';

const PROTO = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 };
const hasTcx = probeTcx().available;

beforeAll(makeCountedRouter);
afterAll(removeCountedRouter);

describe.each(MODES)('the counter, by $name', (mode) => {
  const { instrument, withPeer } = mode;
  // A kernel before 6.6 has no tcx: the other two modes are what counts there.
  const when = it.skipIf(instrument === 'tcx' && !hasTcx);
  let counter: Counter | null = null;

  afterEach(async () => {
    await counter?.close();
    counter = null;
  });

  async function start(options: Partial<CounterOptions> = {}): Promise<Counter> {
    await counter?.close();
    counter = await startCounter(mode, options);
    expect(counter.devices).toBe(2);
    return counter;
  }

  /** Counts what `work` puts on the wire and holds it against the kernel's own counters. */
  async function judged(work: () => Promise<unknown>): Promise<Row[]> {
    const counting = await start();
    const before = { a: await linkTraffic(A), b: await linkTraffic(B) };
    await work();
    const after = { a: await linkTraffic(A), b: await linkTraffic(B) };
    const rows = await rowsOf(counting);
    for (const dev of ['a', 'b'] as const) {
      for (const direction of ['in', 'out'] as const) {
        const seen = total(rows.filter((r) => r.dev === dev && r.direction === direction));
        expect({ dev, direction, ...seen }).toEqual({
          dev,
          direction,
          packets: after[dev][direction].packets - before[dev][direction].packets,
          bytes: after[dev][direction].bytes - before[dev][direction].bytes,
        });
      }
    }
    const { packets, bytes, ...rest } = counting.tallies();
    expect({ packets, bytes }).toEqual(total(rows));
    expect(rest).toMatchObject({ uncounted: 0, other: 0, malformed: 0, encapsulated: 0 });
    return rows;
  }

  when('counts echoes of both families under their identifier', async () => {
    const rows = await judged(async () => {
      await ping('-c', '5', '-i', '0.02', '-s', '100', B.ip);
      await ping('-c', '3', '-i', '0.02', B.ip6);
    });
    expect(rows).toHaveLength(8);
    const [request] = rows.filter((r) => r.dev === 'a' && r.direction === 'in' && r.family === 4);
    expect(request).toMatchObject({
      protocol: PROTO.icmp,
      src: word(A.ip),
      dst: word(B.ip),
      packets: 5,
      bytes: 5 * 128,
      largest: 128,
      tcpFlags: 0,
      gone: false,
    });
    expect(request?.sport).toBeGreaterThan(0);
    expect(request?.dport).toBe(request?.sport);
    const [sixth] = rows.filter((r) => r.dev === 'b' && r.direction === 'out' && r.family === 6);
    expect(sixth).toMatchObject({ protocol: PROTO.icmp6, packets: 3, bytes: 3 * 104 });
    expect(sixth?.src).toEqual([0x20010db8, 0x000a0000, 0, 1]);
    expect(sixth?.last).toBeGreaterThan(sixth?.first ?? 0);
  });

  when('counts a TCP stream with segmentation offload to the last byte', async () => {
    const rows = await judged(() => transfer(B.ip, 20e6));
    const data = rows
      .filter((r) => r.dev === 'a' && r.direction === 'in' && r.protocol === PROTO.tcp)
      .sort((x, y) => y.bytes - x.bytes)[0];
    expect(data?.bytes).toBeGreaterThan(20e6);
    // Whole segments of the wire, though GSO packets are ten times as long on average.
    expect(data?.largest).toBe(1500);
    expect((data?.bytes ?? 0) / (data?.packets ?? 1)).toBeGreaterThan(3000);
    expect(data).toMatchObject({ syn: 1, fin: 1, dport: PORT });
    expect((data?.tcpFlags ?? 0) & 0x1f).toBe(0x1b);
  });

  when('counts IPv6 streams, and datagrams under their ports', async () => {
    const rows = await judged(async () => {
      await transfer(B.ip6, 2e6);
      for (let i = 0; i < 20; i++) await send(B.ip, 7000 + (i % 4));
    });
    const sent = rows.filter(
      (r) => r.dev === 'b' && r.direction === 'out' && r.protocol === PROTO.udp,
    );
    expect(sent).toHaveLength(20);
    expect(sent.every((r) => r.packets === 1 && r.bytes === 33)).toBe(true);
    const large = rows.filter(
      (r) => r.family === 6 && r.protocol === PROTO.tcp && r.largest === 1500,
    );
    // The stream's own direction, at four places.
    expect(large.length).toBeGreaterThanOrEqual(2);
  });

  when('counts a flood from several CPUs to the last packet', async () => {
    const counting = await start();
    const before = await linkTraffic(A);
    await flood(B.ip, 4, 30_000);
    const after = await linkTraffic(A);
    // Read while nobody sends: what is on its way out may be dropped by the device.
    const rows = (await rowsOf(counting)).filter((r) => r.dev === 'a' && r.direction === 'in');
    expect(rows).toHaveLength(4);
    expect(total(rows)).toEqual({
      packets: after.in.packets - before.in.packets,
      bytes: after.in.bytes - before.in.bytes,
    });
    expect(counting.tallies()).toMatchObject({ uncounted: 0, malformed: 0 });
  });

  when('counts a packet in fragments as one, as if it were whole, of both families', async () => {
    const text = 'x'.repeat(4000);
    const counting = await start();
    await send(B.ip, 7777, text);
    await send(B.ip6, 7777, text);
    await ping('-c', '2', '-i', '0.02', '-s', '3000', B.ip);
    const rows = await rowsOf(counting);
    const inbound = rows.filter((r) => r.dev === 'a' && r.direction === 'in');
    for (const [family, bytes] of [
      [4, 4000 + 8 + 20],
      [6, 4000 + 8 + 40],
    ] as const) {
      const udp = inbound.filter((r) => r.family === family && r.protocol === PROTO.udp);
      expect(udp).toHaveLength(1);
      expect(udp[0]).toMatchObject({ packets: 1, bytes, dport: 7777 });
    }
    const echo = inbound.filter((r) => r.protocol === PROTO.icmp);
    expect(echo).toHaveLength(1);
    expect(echo[0]).toMatchObject({ packets: 2, bytes: 2 * (3008 + 20) });
    expect(counter?.tallies().lostFragments).toBe(0);
  });

  when('counts a fragment whose first it never saw without ports, and says so', async () => {
    const counting = await start();
    // IPv4, 28 bytes, id 77, offset 1480, UDP, A to B; a raw socket fills in the checksum.
    const bytes = `45 00 00 1c 00 4d 00 b9 40 11 00 00 c0 00 02 01 c6 33 64 01 00 01 02 03 04 05 06 07`;
    await sendRaw(bytes);
    const rows = await rowsOf(counting);
    expect(rows).toHaveLength(2);
    for (const row of rows) {
      expect(row).toMatchObject({
        protocol: PROTO.udp,
        packets: 1,
        bytes: 28,
        sport: -1,
        dport: -1,
      });
    }
    expect(counting.tallies().lostFragments).toBe(2);
  });

  when('distinguishes segments that come again from those that go on', async () => {
    const counting = await start();
    // IPv4, 44 bytes, DF, TCP, A to B; ports 1000 and 2000, ACK, 4 bytes of payload.
    const segment = (seq: string): string =>
      `4500 002c 0000 4000 4006 0000 c0000201 c6336401 03e8 07d0 ${seq} 00000001 5010 0400 0000 0000 01020304`;
    await sendRaw(
      segment('00000064'),
      segment('00000068'),
      segment('00000064'),
      segment('fffffff0'),
    );
    const rows = await rowsOf(counting);
    const [data] = rows.filter((r) => r.dev === 'b' && r.direction === 'out' && r.sport === 1000);
    expect(data).toMatchObject({ packets: 4, bytes: 4 * 44, tcpFlags: 0x10, repeated: 2 });
  });

  when('gives what a NAT rule did in conntrack’s two tuples', async () => {
    await runIn(ROUTER, 'iptables', [
      ...['-t', 'nat', '-A', 'PREROUTING', '-d', SERVICE, '-p', 'udp', '--dport', '53'],
      ...['-j', 'DNAT', '--to-destination', `${B.ip}:5353`],
    ]);
    try {
      const rows = await judged(() => send(SERVICE, 53));
      const [before] = rows.filter((r) => r.dev === 'a' && r.direction === 'in');
      const [after] = rows.filter((r) => r.dev === 'b' && r.direction === 'out');
      // On the way in there is no entry yet: the tuples join the two.
      expect(before).toMatchObject({ dst: word(SERVICE), dport: 53, original: null, reply: null });
      expect(after).toMatchObject({ dst: word(B.ip), dport: 5353 });
      if (instrument === 'tcx') {
        const { src, dst, sport, dport } = before as Row;
        expect(after?.original).toEqual({ src, dst, sport, dport });
        expect(after?.reply).toEqual({ src: word(B.ip), dst: src, sport: 5353, dport: sport });
        expect(counter?.missing).toEqual([]);
      } else {
        expect(after?.original).toBeNull();
        expect(counter?.missing.join()).toContain('NAT');
      }
    } finally {
      await runIn(ROUTER, 'iptables', ['-t', 'nat', '-F']);
    }
  });

  when('counts what its table has no room for, one past its limit', async () => {
    const LIMIT = 8;
    const counting = await start({ limit: LIMIT });
    // Two entries a datagram: in at A's device, out at B's.
    for (let i = 0; i < LIMIT / 2; i++) await send(B.ip, 6000 + i);
    expect((await rowsOf(counting)).length).toBe(LIMIT);
    expect(counting.entries).toBe(LIMIT);
    expect(counting.tallies()).toMatchObject({ packets: LIMIT, uncounted: 0 });
    await send(B.ip, 6100);
    expect(await rowsOf(counting)).toEqual([]);
    expect(counting.entries).toBe(LIMIT);
    expect(counting.tallies()).toMatchObject({
      packets: LIMIT,
      uncounted: 2,
      uncountedBytes: 2 * 33,
    });
  });

  when('gives an idle entry once more with its last values, and starts anew', async () => {
    let ahead = 0n;
    const counting = await start({ now: () => process.hrtime.bigint() + ahead });
    await ping('-c', '2', '-i', '0.02', B.ip);
    expect((await rowsOf(counting)).every((r) => !r.gone && r.packets === 2)).toBe(true);
    ahead = 61_000_000_000n;
    const idle = await rowsOf(counting);
    expect(idle.filter((r) => r.gone)).toHaveLength(4);
    expect(total(idle.filter((r) => r.gone))).toEqual({ packets: 8, bytes: 8 * 84 });
    expect(counting.removed).toBe(4);
    ahead = 0n;
    await ping('-c', '1', B.ip);
    const again = await rowsOf(counting);
    expect(again.every((r) => !r.gone && r.packets === 1)).toBe(true);
    expect(counting.entries).toBe(4);
  });

  when('passes over what has not changed since it was given', async () => {
    let ahead = 0n;
    const counting = await start({ now: () => process.hrtime.bigint() + ahead });
    await ping('-c', '1', B.ip);
    expect(await rowsOf(counting)).toHaveLength(4);
    expect(await rowsOf(counting)).toHaveLength(0);
    // A second after its last packet it is not looked at any more.
    ahead = 3_000_000_000n;
    expect(await rowsOf(counting)).toHaveLength(0);
    expect(counting.entries).toBe(4);
    ahead = 0n;
    await rowsOf(counting);
    await ping('-c', '1', B.ip);
    expect(await rowsOf(counting)).toHaveLength(4);
  });

  when('leaves out on an uplink what tunnels carry, and says so', async () => {
    const counting = await start();
    const device = await countedDevice(A, false);
    await counting.countOn([{ ...device, role: 'uplink' }]);
    for (const port of [4789, 8472, 6081, 51820, 51821]) await send(B.ip, port);
    const header = (protocol: string): string =>
      `4500 0018 0000 4000 40${protocol} 0000 c0000201 c6336401`;
    await sendRaw(
      `${header('04')} 01020304`,
      `${header('29')} 01020304`,
      `${header('2f')} 01020304`,
    );
    await send(B.ip, 4788);
    const rows = await rowsOf(counting);
    expect(rows.map((r) => [r.dev, r.direction, r.dport])).toEqual([['a', 'in', 4788]]);
    expect(counting.tallies()).toMatchObject({ packets: 1, encapsulated: 8 });
  });

  when('says what it does not count, and what is too short for its header', async () => {
    const counting = await start();
    // EtherType 0x88b5 is for local experiments.
    await runIn(A.netns, 'python3', [
      '-c',
      'import socket; s=socket.socket(17,3); s.bind(("eth0",0x88b5)); s.send(bytes.fromhex("02000000ff0102000000ff0288b5")+bytes(50))',
    ]);
    // UDP of which four bytes are there.
    await sendRaw('4500 0018 0000 4000 4011 0000 c0000201 c6336401 03e807d0');
    const rows = await rowsOf(counting);
    const [short] = rows.filter((r) => r.dev === 'a' && r.direction === 'in');
    expect(short).toMatchObject({ packets: 1, bytes: 24, sport: -1 });
    expect(counting.tallies()).toMatchObject({ other: 1, malformed: 2, packets: 2 });
  });

  when('leaves nothing behind when it is closed', async () => {
    const before = readdirSync('/proc/self/fd').length;
    await (await start()).close();
    counter = null;
    expect(readdirSync('/proc/self/fd').length).toBe(before);
    expect(await runIn(ROUTER, 'bpftool', ['net', 'show'])).not.toContain('count_pod');
  });

  when('goes on when devices come and go', async () => {
    const counting = await start();
    await ping('-c', '1', B.ip);
    const gone = await countedDevice(B, withPeer);
    await removeDevice(B);
    const left = await countedDevice(A, withPeer);
    // What is gone may still be on the caller's list.
    await counting.countOn([left, gone]);
    expect(counting.missing.join()).not.toContain('ENODEV');
    await counting.countOn([left]);
    expect(counting.devices).toBe(1);
    await addPod(B);
    await counting.countOn([left, await countedDevice(B, withPeer)]);
    expect(counting.devices).toBe(2);
    await ping('-c', '2', '-i', '0.02', B.ip);
    const rows = (await rowsOf(counting)).filter((r) => r.dev === 'b');
    expect(total(rows)).toEqual({ packets: 4, bytes: 4 * 84 });
  });
});
