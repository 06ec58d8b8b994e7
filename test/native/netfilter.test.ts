import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { BpfObject, type Link, probeProgramType } from 'ebpf-ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { features, testWith } from './kernel-feature.js';
import { createNetworkNamespace, type NetworkNamespace } from './network-namespace.js';

describeAsRoot('a netfilter program', () => {
  let object: BpfObject;
  let links: Link[];
  let netns: NetworkNamespace;

  beforeAll(() => {
    netns = createNetworkNamespace('ebpf-ts-netfilter');
  });
  afterAll(() => {
    netns.remove();
  });
  beforeEach(() => {
    links = [];
    object = BpfObject.open(compileProgram('netfilter'));
    if (features.netfilterLink.available) object.load();
  });
  afterEach(() => {
    for (const link of links) link.close();
    object.close();
  });

  const attached = (link: Link): Link => {
    links.push(link);
    return link;
  };
  const counted = (): number => {
    const value = object.map('counters').get(new Uint8Array(4));
    return value === null ? 0 : Number(new DataView(value.buffer).getBigUint64(0, true));
  };
  const pingInside = (): string => netns.run('ping', '-c', '3', '-i', '0.05', '127.0.0.1');

  test('loads exactly where its type is said to', () => {
    const { available } = probeProgramType('netfilter', 'netfilter');
    expect(available).toBe(features.netfilterLink.available);
    expect(object.loaded).toBe(available);
    if (!available) bpfErrorOf(() => object.load(), 'EINVAL');
  });

  testWith('netfilterLink')('runs at a netfilter hook of another namespace, and only there', () => {
    const before = readlinkSync('/proc/self/ns/net');
    const threads = readFileSync('/proc/self/status', 'utf8').match(/Threads:\s+(\d+)/)?.[1];
    const link = attached(
      object.program('on_netfilter').attachNetfilter({
        family: 'ipv4',
        hook: 'input',
        priority: -301,
        netns: netns.path,
      }),
    );
    expect(link.kind).toBe('netfilter');
    expect(link.info().netfilter).toEqual({ family: 2, hook: 1, priority: -301, flags: 0 });
    expect(link.info().programId).toBe(object.program('on_netfilter').info().id);
    execFileSync('ping', ['-c', '2', '-i', '0.05', '127.0.0.1']);
    expect(counted()).toBe(0);
    pingInside();
    expect(counted()).toBe(6);
    link.close();
    pingInside();
    expect(counted()).toBe(6);
    // The caller is where it was, and no thread was made for it.
    expect(readlinkSync('/proc/self/ns/net')).toBe(before);
    expect(readlinkSync('/proc/thread-self/ns/net')).toBe(before);
    expect(readFileSync('/proc/self/status', 'utf8').match(/Threads:\s+(\d+)/)?.[1]).toBe(threads);
  });

  for (const hook of ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const) {
    testWith('netfilterLink')(
      `attaches to ${hook}, for both families and at both ends of the priorities`,
      () => {
        for (const family of ['ipv4', 'ipv6'] as const) {
          for (const priority of [-(2 ** 31) + 1, 2 ** 31 - 2]) {
            const program = object.program('on_netfilter');
            attached(program.attachNetfilter({ family, hook, priority, netns: netns.path }));
          }
        }
      },
    );
  }

  testWith('netfilterLink')('reassembles fragments for a netfilter link that asks', () => {
    const link = attached(
      object.program('on_netfilter').attachNetfilter({
        family: 'ipv4',
        hook: 'prerouting',
        priority: -300,
        defrag: true,
        netns: netns.path,
      }),
    );
    expect(link.info().netfilter?.flags).toBe(1);
    netns.run('ip', 'link', 'set', 'lo', 'mtu', '1500');
    netns.run('ping', '-c', '1', '-s', '4000', '127.0.0.1');
    // Request and reply, three fragments each, seen once each.
    expect(counted()).toBe(2);
    bpfErrorOf(
      () =>
        object.program('on_netfilter').attachNetfilter({
          family: 'ipv4',
          hook: 'prerouting',
          priority: -400,
          defrag: true,
          netns: netns.path,
        }),
      'ERANGE',
    );
  });

  testWith('netfilterLink')('two links may not share a netfilter priority', () => {
    const options = {
      family: 'ipv4',
      hook: 'output',
      priority: 7,
      netns: netns.path,
    } as const;
    attached(object.program('on_netfilter').attachNetfilter(options));
    const before = readlinkSync('/proc/thread-self/ns/net');
    bpfErrorOf(() => object.program('on_netfilter').attachNetfilter(options), 'EBUSY');
    expect(readlinkSync('/proc/thread-self/ns/net')).toBe(before);
  });
});
