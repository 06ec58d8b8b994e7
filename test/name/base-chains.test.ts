import { describe, expect, it } from 'vitest';
import { chainsFromLegacy, chainsFromNftables } from '../../src/name/base-chains.js';

function listing(...chains: readonly object[]): string {
  const metainfo = { version: '1.0.6', json_schema_version: 1 };
  return JSON.stringify({ nftables: [{ metainfo }, ...chains.map((chain) => ({ chain }))] });
}

const FORWARD = { name: 'FORWARD', type: 'filter', hook: 'forward', prio: 0, policy: 'accept' };

describe('what nft lists', () => {
  it('is the chains that hang on a hook, for each family they see', () => {
    const text = listing(
      { family: 'ip', table: 'filter', ...FORWARD },
      { family: 'ip6', table: 'filter', ...FORWARD },
      { family: 'inet', table: 'firewall', ...FORWARD, prio: -5 },
    );
    const hook = 'forward';
    expect(chainsFromNftables(text)).toEqual([
      { family: 'ipv4', hook, priority: 0, table: 'filter' },
      { family: 'ipv6', hook, priority: 0, table: 'filter' },
      { family: 'ipv4', hook, priority: -5, table: 'firewall' },
      { family: 'ipv6', hook, priority: -5, table: 'firewall' },
    ]);
  });

  it('leaves out what no packet of IP meets by itself', () => {
    const text = listing(
      { family: 'ip', table: 'filter', name: 'only-jumped-to', handle: 2 },
      { family: 'bridge', table: 'b', ...FORWARD },
      { family: 'netdev', table: 'n', ...FORWARD, hook: 'ingress' },
      { family: 'inet', table: 'n', ...FORWARD, hook: 'ingress' },
    );
    expect(chainsFromNftables(text)).toEqual([]);
  });

  it.each(['', 'Error: no such thing', 'null', '[]', '{"nftables": 1}', '{"nftables": [1, null]}'])(
    'is nothing where it is %j',
    (text) => expect(chainsFromNftables(text)).toEqual([]),
  );
});

describe('the legacy back end', () => {
  it('hangs each of its tables where the kernel does', () => {
    expect(chainsFromLegacy('nat\nfilter\n', 'ipv6')).toEqual([
      { family: 'ipv6', hook: 'prerouting', priority: -100, table: 'nat' },
      { family: 'ipv6', hook: 'output', priority: -100, table: 'nat' },
      { family: 'ipv6', hook: 'input', priority: 100, table: 'nat' },
      { family: 'ipv6', hook: 'postrouting', priority: 100, table: 'nat' },
      { family: 'ipv6', hook: 'input', priority: 0, table: 'filter' },
      { family: 'ipv6', hook: 'forward', priority: 0, table: 'filter' },
      { family: 'ipv6', hook: 'output', priority: 0, table: 'filter' },
    ]);
    expect(chainsFromLegacy('mangle', 'ipv4').map(({ hook }) => hook)).toHaveLength(5);
  });

  it('has none that nobody asked for', () => {
    expect(chainsFromLegacy('', 'ipv4')).toEqual([]);
    expect(chainsFromLegacy('constructor\n', 'ipv4')).toEqual([]);
  });
});

it('leaves out priorities that are no whole number', () => {
  const chains = [1.5, 1e99, 0].map((prio) => ({
    chain: { family: 'ip', table: 'filter', name: 'x', hook: 'input', prio },
  }));
  const found = chainsFromNftables(JSON.stringify({ nftables: chains }));
  expect(found.map(({ priority }) => priority)).toEqual([0]);
});
