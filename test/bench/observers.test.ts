import { expect, test } from 'vitest';
import { tcpdumpCounts } from './observers.mjs';

test('several tcpdumps are summed up, of one packet too', () => {
  const lines = [
    'tcpdump: listening on eth0, link-type EN10MB (Ethernet), snapshot length 128 bytes',
    '1 packet captured',
    '12 packets received by filter',
    '3 packets dropped by kernel',
    '5 packets captured',
    '1 packet received by filter',
    '1 packet dropped by kernel',
  ];
  expect(tcpdumpCounts(lines)).toMatchObject({ events: 13, lost: 4 });
});
