import { expect, test } from 'vitest';
import { serviceFlow } from '../serve/fixture-feed.js';
import { exactness, flowsOf } from './daemon-page.mjs';

const WAY = { source: '10.244.153.204', address: '10.244.146.205' };

function datagramFlow(sport: number, packets: number, dport = 5202) {
  return {
    ...serviceFlow(`udp-${sport}`, 1),
    original: {
      proto: 'udp',
      src: WAY.source,
      dst: WAY.address,
      sport,
      dport,
      icmp: null,
    },
    packets: { original: String(packets), reply: '1' },
    bytes: { original: String(packets * 92), reply: '32' },
    sampled: { paths: '2', of: String(packets + 1) },
  };
}

test("a load's flows are those of its ends and its port", () => {
  const mine = datagramFlow(20_000, 3);
  const others = [serviceFlow('a', 4), datagramFlow(20_000, 3, 53)];
  expect(flowsOf([...others, mine], WAY, 5202)).toEqual([mine]);
});

test('exact is what is counted to the last packet and byte, over all flows', () => {
  const flows = [datagramFlow(20_000, 3), datagramFlow(20_001, 4)];
  expect(exactness(flows, { port: 5202, packets: 7, bytes: 7 * 92 })).toEqual({
    exact: true,
    flows: 2,
    packets: 0,
    bytes: 0,
    paths: 4,
  });
  expect(exactness(flows, { port: 5202, packets: 9, bytes: 9 * 92 })).toMatchObject({
    exact: false,
    packets: -2,
    bytes: -184,
  });
  expect(exactness(flows, { port: 5202, packets: 7, bytes: 7 * 92 + 1 })).toMatchObject({
    exact: false,
    packets: 0,
    bytes: -1,
  });
});

test('a load of which nothing was seen lacks all of it', () => {
  expect(exactness([], { port: 5202, packets: 7, bytes: 700 })).toMatchObject({
    exact: false,
    flows: 0,
    packets: -7,
  });
});
