import { CHAIN_LIMIT, type FlowRecord } from 'hopscope-protocol';
import { describe, expect, it } from 'vitest';
import { CHAIN_SIDE_LIMIT, chainText, flowChain } from '../../src/export/flow-chain.js';
import { flowText } from '../../src/export/flow-text.js';
import { droppedFlow, serviceFlow } from '../serve/fixture-feed.js';

const toProxy: FlowRecord = {
  ...droppedFlow('a', 1),
  proxied: { from: null, to: ['b', 'gone', 'c'] },
};
const second: FlowRecord = { ...serviceFlow('b', 1), proxied: { from: 'a', to: [] } };
const third: FlowRecord = { ...second, id: 'c', proxied: { from: 'a', to: ['d'] } };
const fourth: FlowRecord = { ...droppedFlow('d', 1), proxied: { from: 'c', to: [] } };
const flows = new Map([toProxy, second, third, fourth].map((flow) => [flow.id, flow]));
const known = (id: string): FlowRecord | null => flows.get(id) ?? null;

function idsOf(flow: FlowRecord): string[] {
  return flowChain(flow, known).map(({ id }) => id);
}

describe('the chain of a flow', () => {
  it('has what it was opened for before it, and what was opened for it after it', () => {
    expect(idsOf(toProxy)).toEqual(['a', 'b', 'c']);
    expect(idsOf(third)).toEqual(['a', 'c', 'd']);
    expect(idsOf(fourth)).toEqual(['a', 'c', 'd']);
    expect(idsOf(serviceFlow('z', 1))).toEqual(['z']);
  });

  it('ends, one past the limit, even where two flows name each other', () => {
    const ring = { ...second, id: 'r', proxied: { from: 'r', to: Array(40).fill('r') } };
    const chain = flowChain(ring, () => ring);
    expect(chain).toHaveLength(2 * CHAIN_SIDE_LIMIT + 1);
    expect(chain).toHaveLength(CHAIN_LIMIT);
  });

  it('is listed by its stations, to the newest that was opened for it', () => {
    const service = 'default/nginx-service → pod3';
    expect(chainText(toProxy, flowChain(toProxy, known))).toBe(`pod1 → pod2 ⇢ ${service}`);
    expect(chainText(fourth, flowChain(fourth, known))).toBe(`pod1 → pod2 ⇢ ${service} ⇢ pod2`);
    expect(chainText(second, [second])).toBeNull();
  });

  it('is in the text of each of its flows, and in no other', () => {
    expect(flowText(second, false, flowChain(second, known))).toContain(
      '  chain pod1 → pod2 ⇢ default/nginx-service → pod3',
    );
    expect(flowText(second, false)).not.toContain('chain');
  });
});
