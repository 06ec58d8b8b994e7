/** Parts of a network's description, for tests of pure stages. */
import { isIPv6 } from 'node:net';
import type {
  Link,
  NamespaceDescription,
  Route,
  Rule,
  Tunnel,
} from '../../src/network/description.js';
import type { IpAddress, Prefix } from '../../src/network/ip-address.js';

export function address(text: string): IpAddress {
  if (!isIPv6(text)) {
    const value = text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
    return { family: 4, value };
  }
  const [head = '', tail = ''] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail)];
  return { family: 6, value: all.reduce((sum, part) => sum * 65_536n + BigInt(`0x${part}`), 0n) };
}

export function prefix(text: string): Prefix {
  const [base = '', length = ''] = text.split('/');
  return { ...address(base), length: Number(length) };
}

export function route(dst: string, ifindex: number, more: Partial<Route> = {}): Route {
  return {
    ...{ table: 254, dst: prefix(dst), type: 'unicast', priority: 0, mtu: null },
    ...{ isMtuLocked: false, advmss: null, hops: [{ ifindex, via: null }] },
    ...more,
  };
}

export function rule(priority: number, more: Partial<Rule> = {}): Rule {
  return {
    ...{ family: 4, priority, src: null, dst: null, incoming: null, outgoing: null },
    ...{ mark: 0, mask: 0, isInverted: false, action: 'table', table: 254, target: null },
    ...{ suppressedLength: null, isVrf: false, isSelective: false },
    ...more,
  };
}

export function link(ifindex: number, name: string, more: Partial<Link> = {}): Link {
  return {
    ...{ ifindex, name, kind: null, mtu: 1500, minMtu: 0, maxMtu: 0, isUp: true },
    ...{ isRunning: true, isLoopback: false, master: null, other: null, underlay: null },
    tunnel: null,
    ...more,
  };
}

export function tunnel(kind: string, more: Partial<Tunnel> = {}): Tunnel {
  return {
    ...{ kind, local: null, remote: null, device: null, mark: 0, pmtuDiscovery: null },
    ...{
      ignoresDf: false,
      df: null,
      id: null,
      port: null,
      listens: null,
      hasKey: false,
      hasChecksum: false,
    },
    ...{ hasSequence: false, hasEthernet: false, encapsulationLimit: null, within: null },
    ...{ isExternal: false, peers: [] },
    ...more,
  };
}

export function namespace(
  netns: number,
  name: string,
  more: Partial<NamespaceDescription> = {},
): NamespaceDescription {
  return {
    ...{ netns, name, path: `/run/netns/${name}`, given: name, isOwn: false },
    ...{ forwards: { 4: true, 6: true }, links: [], addresses: [], routes: [], cached: [] },
    ...{ rules: [], neighbours: [], forwarding: [], firewall: [] },
    ...more,
  };
}
