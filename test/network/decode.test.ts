import { describe, expect, it } from 'vitest';
import {
  decodeAddresses,
  decodeForwarding,
  decodeNeighbours,
} from '../../src/network/decode-addresses.js';
import { decodeLinks } from '../../src/network/decode-links.js';
import { decodeRoutes } from '../../src/network/decode-routes.js';
import { decodeRules } from '../../src/network/decode-rules.js';
import { decodeFamilyId, decodeWireguard } from '../../src/network/decode-wireguard.js';
import { addressText, prefixText } from '../../src/network/ip-address.js';
import {
  ATTRIBUTE_LIMIT,
  attributesOf,
  messagesOf,
  NetlinkError,
  viewOf,
} from '../../src/network/netlink-message.js';
import { fc } from '../fixtures/properties.js';
import { ascii, attribute, message, u16, u32 } from './netlink-bytes.js';

const DECODERS = {
  decodeLinks,
  decodeAddresses,
  decodeNeighbours,
  decodeForwarding,
  decodeRules,
  decodeFamilyId,
  decodeWireguard,
  decodeRoutes4: (data: Uint8Array) => decodeRoutes(data, 4),
  decodeRoutes6: (data: Uint8Array) => decodeRoutes(data, 6),
};

describe('messages and attributes', () => {
  it('a message that is cut, or longer than what there is', () => {
    for (const bytes of [
      [1, 0, 0],
      [15, 0, 0, 0, ...Array(12).fill(0)],
      [...u32(17), ...Array(12).fill(0)],
    ]) {
      expect(() => [...messagesOf(Uint8Array.from(bytes))]).toThrow(NetlinkError);
    }
  });

  it('an attribute that is longer than its message', () => {
    expect(() => attributesOf(viewOf(Uint8Array.from([...u16(9), ...u16(1), 1, 2, 3, 4])))).toThrow(
      expect.objectContaining({ code: 'NETLINK_MALFORMED' }),
    );
  });

  it('as many attributes as the limit, and one more', () => {
    const bytes = (count: number) =>
      viewOf(Uint8Array.from(Array.from({ length: count }, () => attribute(1)).flat()));
    expect(attributesOf(bytes(ATTRIBUTE_LIMIT)).size).toBe(1);
    expect(() => attributesOf(bytes(ATTRIBUTE_LIMIT + 1))).toThrow(NetlinkError);
  });
});

describe.each(Object.entries(DECODERS))('%s', (_, decode) => {
  it('of anything at all is a value or an error with a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 256 }), (bytes) => {
        expectNoOtherError(() => decode(bytes));
      }),
    );
  });

  it('of messages with any body likewise', () => {
    const body = fc.tuple(fc.constantFrom(16, 20, 24, 28, 32), fc.uint8Array({ maxLength: 200 }));
    fc.assert(
      fc.property(body, ([type, bytes]) => {
        expectNoOtherError(() => decode(message(type, ...bytes)));
      }),
    );
  });
});

function expectNoOtherError(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(NetlinkError);
  }
}

describe('links', () => {
  it('a veth whose other end is in another namespace', () => {
    const [link] = decodeLinks(
      message(
        16,
        ...[0, 0, ...u16(1), ...u32(5), ...u32(0x1 | 0x40), ...u32(0)], // ifinfomsg: up, running
        ...attribute(3, ...ascii('eth0')), // IFLA_IFNAME
        ...attribute(4, ...u32(1450)), // IFLA_MTU
        ...attribute(5, ...u32(9)), // IFLA_LINK
        ...attribute(37, ...u32(2)), // IFLA_LINK_NETNSID
        ...attribute(18, ...attribute(1, ...ascii('veth'))), // IFLA_LINKINFO, IFLA_INFO_KIND
      ),
    );
    expect(link).toMatchObject({
      ...{ ifindex: 5, name: 'eth0', kind: 'veth', mtu: 1450, link: 9, linkNetnsId: 2 },
      ...{ isUp: true, isRunning: true, isLoopback: false, master: null, tunnel: null },
    });
  });

  it('GRE with a key, without path MTU discovery', () => {
    const [link] = decodeLinks(
      message(
        16,
        ...[0, 0, ...u16(778), ...u32(6), ...u32(1), ...u32(0)],
        ...attribute(
          18,
          ...attribute(1, ...ascii('gre')),
          ...attribute(
            2,
            ...attribute(3, 0xb0, 0x00), // IFLA_GRE_OFLAGS: checksum, key, sequence
            ...attribute(5, 0, 0, 0, 7), // IFLA_GRE_OKEY
            ...attribute(6, 192, 0, 2, 1), // IFLA_GRE_LOCAL
            ...attribute(7, 0, 0, 0, 0), // IFLA_GRE_REMOTE: any
            ...attribute(10, 0), // IFLA_GRE_PMTUDISC
          ),
        ),
      ),
    );
    expect(link?.tunnel).toMatchObject({
      ...{ kind: 'gre', remote: null, id: 7, pmtuDiscovery: false },
      ...{ hasKey: true, hasChecksum: true, hasSequence: true, hasEthernet: false },
    });
    expect(link?.tunnel?.local && addressText(link.tunnel.local)).toBe('192.0.2.1');
  });
});

describe('routes', () => {
  /** rtmsg: family, lengths, tos, table, protocol, scope, type, flags. */
  const rtmsg = (family: number, length: number, flags = 0) => [
    family,
    length,
    0,
    0,
    254,
    4,
    0,
    1,
    ...u32(flags),
  ];

  it('a locked MTU, an MSS, a table of its own', () => {
    const { routes } = decodeRoutes(
      message(
        24,
        ...rtmsg(2, 24),
        ...attribute(1, 10, 20, 2, 0), // RTA_DST
        ...attribute(15, ...u32(1000)), // RTA_TABLE
        ...attribute(4, ...u32(3)), // RTA_OIF
        ...attribute(5, 10, 9, 0, 2), // RTA_GATEWAY
        ...attribute(
          8,
          ...attribute(1, ...u32(4)),
          ...attribute(2, ...u32(1400)),
          ...attribute(8, ...u32(1360)),
        ),
      ),
      4,
    );
    expect(routes).toMatchObject([
      {
        table: 1000,
        type: 'unicast',
        mtu: 1400,
        isMtuLocked: true,
        advmss: 1360,
        hops: [{ ifindex: 3 }],
      },
    ]);
    expect(prefixText(routes[0]?.dst ?? { family: 4, value: 0n, length: 0 })).toBe('10.20.2.0/24');
  });

  it('two next hops, one of them IPv6', () => {
    const hop = (ifindex: number, ...more: readonly number[]) => [
      ...u16(8 + more.length),
      0,
      0,
      ...u32(ifindex),
      ...more,
    ];
    const { routes } = decodeRoutes(
      message(
        24,
        ...rtmsg(2, 0),
        ...attribute(
          9,
          ...hop(3, ...attribute(5, 10, 0, 0, 1)),
          ...hop(4, ...attribute(18, 10, 0, ...Array(15).fill(0), 1)),
        ),
      ),
      4,
    );
    expect(routes[0]?.hops.map(({ ifindex, via }) => [ifindex, via && addressText(via)])).toEqual([
      [3, '10.0.0.1'],
      [4, '::1'],
    ]);
  });

  it('what was learned, with the seconds it has left', () => {
    const { routes, cached } = decodeRoutes(
      message(
        24,
        ...rtmsg(2, 32, 0x200),
        ...attribute(1, 10, 20, 2, 2),
        ...attribute(8, ...attribute(2, ...u32(1200))),
        ...attribute(12, ...u32(0), ...u32(0), ...u32(59_900), ...Array(20).fill(0)), // RTA_CACHEINFO
      ),
      4,
    );
    expect(routes).toEqual([]);
    expect(cached).toMatchObject([{ mtu: 1200, isMtuLocked: false, expiresIn: 599 }]);
  });

  it('of another family than was asked for are passed over', () => {
    expect(decodeRoutes(message(24, ...rtmsg(2, 0)), 6)).toEqual({ routes: [], cached: [] });
  });
});

it('a rule for what has not a mark', () => {
  expect(
    decodeRules(
      message(
        32,
        ...[2, 0, 0, 0, 1, 0, 0, 1, ...u32(2)], // fib_rule_hdr: to a table, inverted
        ...attribute(6, ...u32(99)), // FRA_PRIORITY
        ...attribute(10, ...u32(0x100000)), // FRA_FWMARK
        ...attribute(16, ...u32(0x100000)), // FRA_FWMASK
        ...attribute(14, ...u32(0xffff_ffff)), // FRA_SUPPRESS_PREFIXLEN: none
      ),
    ),
  ).toMatchObject([
    {
      priority: 99,
      mark: 0x100000,
      mask: 0x100000,
      isInverted: true,
      action: 'table',
      table: 1,
      suppressedLength: null,
    },
  ]);
});

it('WireGuard’s peers, and nothing of its keys', () => {
  const device = decodeWireguard(
    message(
      30,
      ...[0, 1, 0, 0], // genlmsghdr
      ...attribute(3, ...Array(32).fill(0xaa)), // WGDEVICE_A_PRIVATE_KEY
      ...attribute(6, ...u16(51820)), // WGDEVICE_A_LISTEN_PORT
      ...attribute(7, ...u32(0x100000)), // WGDEVICE_A_FWMARK
      ...attribute(
        8,
        ...attribute(
          0,
          ...attribute(4, ...u16(2), 0xca, 0x6c, 192, 168, 100, 112, ...Array(8).fill(0)), // sockaddr_in
          ...attribute(
            9,
            ...attribute(
              0,
              ...attribute(1, ...u16(2)),
              ...attribute(2, 10, 244, 146, 192),
              ...attribute(3, 26),
            ),
          ),
        ),
      ),
    ),
  );
  expect(device).toMatchObject({ mark: 0x100000, listens: 51_820, peers: [{ port: 51_820 }] });
  expect(device.peers.map(({ endpoint }) => endpoint && addressText(endpoint))).toEqual([
    '192.168.100.112',
  ]);
  expect(device.peers[0]?.allowed.map(prefixText)).toEqual(['10.244.146.192/26']);
});
