import { describe, expect, it } from 'vitest';
import { describeLab, LabStateError, parseLabState } from '../../src/lab/state.js';

const SHAPE = {
  encap: 'vxlan',
  proxy: 'iptables',
  iptables: 'nft',
  crossSubnet: false,
  subnets: 1,
  podMtu: 1400,
  policy: true,
  dualStack: true,
} as const;

describe('parseLabState', () => {
  it('reads back what was written', () => {
    const state = describeLab(SHAPE);
    expect(parseLabState(JSON.stringify(state))).toEqual(state);
  });

  it.each([
    ['', 'LAB_STATE_MALFORMED'],
    ['[]', 'LAB_STATE_MALFORMED'],
    ['{"version":2}', 'LAB_STATE_VERSION'],
    ['{"version":1,"encap":"gre"}', 'LAB_STATE_MALFORMED'],
    [JSON.stringify({ ...describeLab(SHAPE), policy: 'yes' }), 'LAB_STATE_MALFORMED'],
  ])('refuses %j', (text, code) => {
    expect(() => parseLabState(text)).toThrow(LabStateError);
    expect(() => parseLabState(text)).toThrow(expect.objectContaining({ code }));
  });
});

describe('describeLab', () => {
  it('knows addresses of the families that are there only', () => {
    expect(describeLab(SHAPE).pods[0]?.ips).toEqual(['10.244.153.204', 'fd00:10:244:99c0::c']);
    const single = describeLab({ ...SHAPE, dualStack: false });
    expect(single.pods[0]?.ips).toEqual(['10.244.153.204']);
    expect(single.nodes[0]?.ips).toEqual(['192.168.100.111', '172.18.22.111', '10.244.153.192']);
  });
});
