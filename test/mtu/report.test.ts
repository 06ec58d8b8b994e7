import type { FaultRecord, FlowRecord } from 'hopscope-protocol';
import { describe, expect, it } from 'vitest';
import { EncapsulationCost, PAIRS_LIMIT } from '../../src/mtu/encapsulation-cost.js';
import { liveReport } from '../../src/mtu/report.js';
import { FLOWS_NAMED, SEEN_LIMIT, SeenFaults } from '../../src/mtu/seen-faults.js';
import { serviceFlow } from '../serve/fixture-feed.js';

const DEVICE = { netns: 'node111', dev: 'tunl0', mtu: 1480 };
const NOTHING = { refusals: [], vanished: [], errors: [], checksums: [] };

function flow(id: string, change: Partial<FlowRecord> = {}): FlowRecord {
  return { ...serviceFlow(id, 12), ...change };
}

/** Dropped for its size after a device of a node. */
function refused(id: string, node: string): FlowRecord {
  return flow(id, {
    mtu: { path: 1480, largest: 1500, verdict: 'blackhole' },
    mtuEvidence: {
      ways: { original: null, reply: null },
      ...NOTHING,
      refusals: [
        {
          ...{ direction: 'original', reason: 'PKT_TOO_BIG', size: 1500, packets: '3' },
          ...{ seenBy: { ...DEVICE, netns: node }, refusedBy: null, told: false },
        },
      ],
    },
  });
}

describe('liveReport', () => {
  it('puts flows that did not fit to the faults of the devices that they passed', () => {
    const leg = flow('a').legs[0];
    if (leg === undefined || leg.dev === null) throw new Error('the flow has no legs');
    const fault: FaultRecord = {
      ...{ type: 'fault', id: 'veth-ends-differ', severity: 'error' },
      ...{ netns: leg.netns, dev: leg.dev, peer: null, found: {}, expected: {} },
      ...{ because: '', evidence: ['device'], flows: null, remedy: '' },
    };
    const fits = flow('a');
    const cut = flow('b', { mtu: { path: 1450, largest: 1500, verdict: 'fragments' } });
    const { faults } = liveReport([fault], [fits, cut], () => null);
    expect(faults).toMatchObject([{ flows: 1, flowIds: ['b'], evidence: ['device', 'seen'] }]);
    expect(liveReport([fault], [fits], () => null).faults).toMatchObject([
      { flows: 0, evidence: ['device'] },
    ]);
  });
});

describe('SeenFaults', () => {
  it('counts all flows that a fault hits, and names some', () => {
    const seen = new SeenFaults(() => null);
    for (let each = 0; each <= FLOWS_NAMED; each++) seen.add(refused(`${each}`, 'node111'));
    const [fault, ...others] = seen.records();
    expect(others).toEqual([]);
    expect(fault?.flows).toBe(FLOWS_NAMED + 1);
    expect(fault?.flowIds).toHaveLength(FLOWS_NAMED);
  });

  it('keeps so many places, and counts the others', () => {
    const seen = new SeenFaults(() => null);
    for (let each = 0; each < SEEN_LIMIT; each++) seen.add(refused(`${each}`, `node${each}`));
    expect(seen.leftOut).toBe(0);
    seen.add(refused('one more', 'another node'));
    expect(seen.leftOut).toBe(1);
    expect(seen.records()).toHaveLength(SEEN_LIMIT);
  });
});

describe('EncapsulationCost', () => {
  it('keeps so many pairs of nodes, and counts the others', () => {
    const cost = new EncapsulationCost();
    const between = (node: string): FlowRecord => {
      const one = flow(node);
      return { ...one, dst: { ...one.dst, node } };
    };
    for (let each = 0; each < PAIRS_LIMIT; each++) cost.add(between(`far${each}`));
    expect(cost.leftOut).toBe(0);
    cost.add(between('another'));
    expect(cost.leftOut).toBe(1);
    expect(cost.records().filter(({ by }) => by === 'nodes')).toHaveLength(PAIRS_LIMIT);
    expect(cost.records()[0]?.flows).toBe(PAIRS_LIMIT + 1);
  });
});
