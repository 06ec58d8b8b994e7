import type { HopRecord } from 'hopscope-protocol';
import { describe, expect, test } from 'vitest';
import { changesOf } from '../../ui/src/flow/hop-changes.js';
import { hopFacts } from '../../ui/src/flow/hop-facts.js';
import { hopRows, sortedRows } from '../../ui/src/flow/hop-table.js';
import { ipLength, isTooLong } from '../../ui/src/flow/ip-length.js';
import { spansOf, stationsOf } from '../../ui/src/flow/stations.js';
import { connectionFacts, wayFacts } from '../../ui/src/flow/tcp-facts.js';
import { hopKeys } from '../../ui/src/store/leg-window.js';
import { nameLegs } from '../../ui/src/store/named-legs.js';
import { serviceFlow, servicePath } from '../serve/fixture-feed.js';

const flow = serviceFlow('a', 4);
const path = servicePath('a', 3, 'original', 38_610);

describe('stations', () => {
  const stations = stationsOf(path.hops);

  test('are devices, rules between them, and the socket', () => {
    expect(stations.map(({ dev, hooks, stage }) => dev ?? (hooks.join(' ') || stage))).toEqual([
      'eth0',
      'calice0906292e2',
      'prerouting forward postrouting',
      'vxlan.calico',
      'ens10',
      'ens10',
      'vxlan.calico',
      'forward',
      'cali118af4ccd16',
      'eth0',
      'deliver',
    ]);
  });

  test('have each hop once, and the whole time', () => {
    expect(stations.reduce((sum, { from, to }) => sum + to - from, 0)).toBe(path.hops.length);
    const took = stations.reduce((sum, { tookNs }) => sum + (tookNs ?? 0), 0);
    expect(took).toBe(path.hops.reduce((sum, hop) => sum + (hop.sincePrevNs ?? 0), 0));
  });

  test('say where addresses are translated, and what is inside a tunnel', () => {
    const translated = stations.filter(({ translations }) => translations.length > 0);
    expect(translated.map(({ hooks }) => hooks[0])).toEqual(['prerouting']);
    const tunnel = spansOf(stations, ({ outer }) => outer?.type ?? null).filter(
      ({ value }) => value !== null,
    );
    expect(tunnel).toMatchObject([{ value: 'vxlan', from: 4, length: 2 }]);
  });
});

describe('the IP length', () => {
  const device = path.hops[0] as HopRecord;

  test('is the frame without its Ethernet header and tag', () => {
    expect(ipLength(device)).toBe(60);
    expect(ipLength({ ...device, vlan: { id: 7, proto: 0x8100 } })).toBe(56);
    expect(ipLength({ ...device, mac: null })).toBe(74);
    expect(ipLength({ ...device, len: null })).toBeNull();
  });

  test('is what the MTU is compared with', () => {
    expect(isTooLong({ ...device, len: 1464, mtu: 1450 })).toBe(false);
    expect(isTooLong({ ...device, len: 1465, mtu: 1450 })).toBe(true);
    expect(isTooLong({ ...device, len: 9000, gso: { size: 1400, segs: 6 } })).toBe(false);
  });
});

test('decoded headers mark what changed at the hop, with what it was', () => {
  const at = path.hops.findIndex(({ tuple }) => tuple?.dport === 80);
  const groups = hopFacts(path.hops[at] as HopRecord, null, changesOf(path.hops)[at] ?? []);
  const changed = groups.flatMap(({ facts }) => facts.filter((fact) => fact.changed));
  expect(changed).toContainEqual({
    name: 'destination',
    value: '10.244.146.205:80',
    before: '10.107.161.255:8080',
    changed: true,
  });
  expect(changed.map(({ name }) => name)).not.toContain('source');
});

describe('the hop table', () => {
  const legs = nameLegs(flow.legs);
  const rows = hopRows(legs, 'original', 'all', new Map());

  test('has shares of the whole way, and the count that a p99 is of', () => {
    expect(rows.reduce((sum, { share }) => sum + (share ?? 0), 0)).toBeCloseTo(1);
    expect(rows[1]?.times?.count).toBe(4);
    expect(rows[0]?.times).toBeNull();
  });

  test('shows a loss between two hops', () => {
    const fewer = legs.map((one, index) =>
      index < 5 ? one : { ...one, leg: { ...one.leg, packets: '1' } },
    );
    const lost = hopRows(fewer, 'original', 'all', new Map()).map((row) => row.fewer);
    expect(lost.slice(0, 7)).toEqual([null, 0, 0, 0, 0, 3, 0]);
  });

  test('sorts by any column, what is not known last either way', () => {
    for (const isDescending of [true, false]) {
      const sorted = sortedRows(rows, 'p50', isDescending);
      expect(sorted.at(-1)?.times).toBeNull();
    }
    const [first, second] = sortedRows(rows, 'p50', true);
    expect(first?.times?.p50).toBeGreaterThanOrEqual(second?.times?.p50 ?? 0);
  });

  test('has the legs of the packet’s hops', () => {
    const known = new Set(rows.map(({ key }) => key));
    for (const key of hopKeys(path, 'original')) expect(known).toContain(key);
  });
});

describe('TCP in words', () => {
  const none = { segments: '0', lost: [], arrivedBefore: '0', unexplained: '0' };
  const way = {
    ...{ rttNs: null, retransmitted: none, outOfOrder: '0', zeroWindows: '0' },
    ...{ windowClosed: false, resets: '0', duplicates: '0' },
  };

  test('what was not seen is not said', () => {
    const facts = wayFacts(way);
    expect(facts.find(({ name }) => name === 'round trip')?.text).toBeNull();
    const whole = connectionFacts({ handshake: null, original: way, reply: way, closedBy: null });
    expect(whole.map(({ text }) => text)).toEqual([null, 'nobody so far']);
  });

  test('a segment that vanished is placed', () => {
    const lost = {
      ...({ node: 'n', netns: 'node112', dev: 'tunl0', stage: 'drop', hook: null } as const),
      ...{ reason: 'NETFILTER_DROP', segments: '3' },
    };
    const again = wayFacts({ ...way, retransmitted: { ...none, segments: '3', lost: [lost] } })[1];
    expect(again?.text).toBe('3: 3 dropped (NETFILTER_DROP) at node112 tunl0 drop');
  });

  test('retried SYNs that went to another endpoint are listed', () => {
    const endpoints = [
      { dst: '10.244.0.1', dport: 80, syns: '1' },
      { dst: '10.244.0.2', dport: 80, syns: '2' },
    ];
    const handshake = { syns: '3', synAckNs: 1_000, ackNs: null, endpoints };
    const facts = connectionFacts({ handshake, original: way, reply: way, closedBy: null });
    expect(facts.map(({ text }) => text)).toContain('10.244.0.1:80 (1), 10.244.0.2:80 (2)');
  });
});
