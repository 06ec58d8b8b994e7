import { expect, test } from 'vitest';
import { loadRow, type Round, softnetDrops } from './load-part.mjs';
import { iperfBytes, LOADS, snmpValue } from './loads.mjs';

const [LOAD] = LOADS;
if (LOAD === undefined) throw new Error('no loads');

function round(rate: number, more: Partial<Round> = {}): Round {
  return {
    rate,
    p50Ns: null,
    p99Ns: null,
    cores: 0,
    cpuPerMillion: null,
    readyMs: 1,
    stopMs: 1,
    kernelDrops: 0,
    counted: null,
    exactness: null,
    pathsPerSecond: null,
    ...more,
  };
}

test('an observer that counts nothing has nothing, not zeros', () => {
  const row = loadRow('tcpdump', LOAD, [round(50), round(80)], [round(100), round(100)]);
  expect(row).toMatchObject({ rate: 65, ratio: 0.65, least: 0.5, most: 0.8 });
  expect(row).toMatchObject({ events: null, lost: null, exact: null, pathsPerSecond: null });
});

test('losses are the sum of all rounds, exact only what is exact in each', () => {
  const counted = {
    events: 5,
    lost: 1,
    lostByCause: { ring: 1 },
    records: null,
    recordBytes: null,
  };
  const right = { exact: true, flows: 1, packets: 0, bytes: 0, paths: 3 };
  const rounds = [
    round(1, { counted, exactness: right, pathsPerSecond: 10 }),
    round(1, { counted, exactness: { ...right, exact: false, packets: -9 }, pathsPerSecond: 30 }),
    round(1, { counted, exactness: { ...right, exact: false, packets: 4 }, pathsPerSecond: 20 }),
  ];
  const row = loadRow('hopscope', LOAD, rounds, rounds);
  expect(row).toMatchObject({ events: 15, lost: 3, lostByCause: { ring: 3 }, pathsPerSecond: 20 });
  expect(row.exact).toEqual({ rounds: 1, of: 3, worst: -9 });
});

test('bytes of iperf3 are its datagrams and the words it begins with', () => {
  // 64 bytes of payload and 28 of headers each; one word of 4 bytes.
  expect(iperfBytes(11, 10)).toBe(10 * 92 + 32);
});

test('the second column of softnet_stat, of all CPUs, is hexadecimal', () => {
  expect(softnetDrops('00001000 0000000a 00000001\n00001000 00000010 00000000\n')).toBe(26);
});

test('a counter of /proc/net/snmp by its name', () => {
  const text =
    'Tcp: OutSegs\nTcp: 7\nUdp: InDatagrams OutDatagrams\nUdp: 3 41\nUdpLite: OutDatagrams\nUdpLite: 1\n';
  expect(snmpValue(text, 'Udp', 'OutDatagrams')).toBe(41);
  expect(() => snmpValue(text, 'Udp', 'NoSuch')).toThrow('NoSuch');
});
