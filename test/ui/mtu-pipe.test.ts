import type { HopRecord } from 'hopscope-protocol';
import { expect, it } from 'vitest';
import { pipeOf } from '../../ui/src/flow/mtu-pipe.js';
import { servicePath } from '../serve/fixture-feed.js';

const PATH = servicePath('f', 1, 'original', 40_000);
const [HOP] = PATH.hops.filter(({ stage }) => stage === 'egress');

function at(dev: string, change: Partial<HopRecord>): HopRecord {
  if (HOP === undefined) throw new Error('the path has no device');
  return { ...HOP, dev, outer: null, gso: null, tcp: null, ...change };
}

it('shows the packet in each device once, with the headers around it', () => {
  const outer = {
    ...({ type: 'vxlan', src: '192.0.2.1', dst: '192.0.2.2' } as const),
    ...{ sport: 1, dport: 4789, vni: 1, overhead: 50 },
  };
  const hops = [
    at('eth0', { mtu: 1450, len: 1464 }),
    at('eth0', { mtu: 1450, len: 1464 }),
    at('up0', { mtu: 1500, len: 1514, outer }),
  ];
  expect(pipeOf({ ...PATH, hops })).toMatchObject([
    { mtu: 1450, inner: 1450, outer: 0, isTooLarge: false, share: { filled: 100 } },
    { mtu: 1500, inner: 1450, outer: 50, tunnel: 'vxlan', isTooLarge: false, share: { mtu: 100 } },
  ]);
});

it('marks a device with less room, and judges a segment of a GSO packet, not the whole', () => {
  const tcp = { flags: '.', seq: 1, ack: 1, payload: 14_480, mss: null, windowScale: null };
  const large = { len: 14_546, gso: { size: 1_448, segs: 10 }, tcp };
  const hops = [at('eth0', { mtu: 1500, ...large }), at('up0', { mtu: 1400, ...large })];
  expect(pipeOf({ ...PATH, hops })).toMatchObject([
    { inner: 1500, isSegment: true, isTooLarge: false },
    { inner: 1500, isTooLarge: true },
  ]);
});
