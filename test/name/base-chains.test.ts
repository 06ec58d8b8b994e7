import { describe, expect, it } from 'vitest';
import { chainsFromLegacy, decodeChains } from '../../src/name/base-chains.js';
import { ascii, attribute, message } from '../network/netlink-bytes.js';

const FAMILY = { inet: 1, ip: 2, netdev: 5, bridge: 7, ip6: 10 } as const;

interface Chain {
  readonly family: keyof typeof FAMILY;
  readonly table: string;
  readonly name: string;
  readonly hook?: number;
  readonly priority?: number;
}

/** NFT_MSG_NEWCHAIN of subsystem 10, in the fourth generation of the rules. */
function chain({ family, table, name, hook, priority }: Chain): Uint8Array {
  const be32 = (value: number): number[] => [24, 16, 8, 0].map((bits) => (value >> bits) & 0xff);
  return message(
    (10 << 8) | 3,
    // nfgenmsg: family, version, generation
    ...[FAMILY[family], 0, 0, 4],
    ...attribute(1, ...ascii(table)),
    ...attribute(3, ...ascii(name)),
    ...(hook === undefined
      ? []
      : // NFTA_CHAIN_HOOK, nested: number, priority
        attribute(0x8004, ...attribute(1, ...be32(hook)), ...attribute(2, ...be32(priority ?? 0)))),
  );
}

function dump(...chains: readonly Chain[]): Uint8Array {
  return new Uint8Array(Buffer.concat(chains.map(chain)));
}

const FORWARD = { name: 'FORWARD', hook: 2, priority: 0 } as const;

describe('what nftables says', () => {
  it('is the chains registered at a hook, for each family they see', () => {
    const data = dump(
      { family: 'ip', table: 'filter', ...FORWARD },
      { family: 'ip6', table: 'filter', ...FORWARD },
      { family: 'inet', table: 'firewall', ...FORWARD, priority: -5 },
    );
    const hook = 'forward';
    expect(decodeChains(data)).toEqual({
      generation: 4,
      names: new Set(['ip filter FORWARD', 'ip6 filter FORWARD', 'inet firewall FORWARD']),
      base: [
        { family: 'ipv4', hook, priority: 0, table: 'filter' },
        { family: 'ipv6', hook, priority: 0, table: 'filter' },
        { family: 'ipv4', hook, priority: -5, table: 'firewall' },
        { family: 'ipv6', hook, priority: -5, table: 'firewall' },
      ],
    });
  });

  it('leaves out what no packet of IP meets by itself', () => {
    const data = dump(
      { family: 'ip', table: 'filter', name: 'only-jumped-to' },
      { family: 'bridge', table: 'b', ...FORWARD },
      { family: 'netdev', table: 'n', ...FORWARD, hook: 0 },
      { family: 'inet', table: 'n', ...FORWARD, hook: 5 },
    );
    expect(decodeChains(data).base).toEqual([]);
  });

  it('is nothing where there is no chain', () => {
    expect(decodeChains(new Uint8Array())).toEqual({
      base: [],
      names: new Set(),
      generation: null,
    });
  });

  it('that is damaged is refused', () => {
    const data = dump({ family: 'ip', table: 'filter', ...FORWARD });
    for (const length of [3, 17, data.length - 1]) {
      expect(() => decodeChains(data.subarray(0, length))).toThrow(/the kernel's answer/u);
    }
  });
});

describe('the legacy back end', () => {
  it('registers each of its tables where the kernel does', () => {
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
