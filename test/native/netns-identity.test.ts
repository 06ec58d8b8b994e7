import { readlinkSync, statSync } from 'node:fs';
import { netnsIdentity } from 'ebpf-ts';
import { expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { createNetworkNamespace } from './network-namespace.js';

const OWN = '/proc/self/ns/net';
const NAME = 'ebpf-ts-identity';

test('the caller’s own namespace is known without a privilege', () => {
  const { inode, cookie } = netnsIdentity(OWN);
  expect(readlinkSync(OWN)).toBe(`net:[${inode}]`);
  expect(cookie).toBeGreaterThan(0n);
});

test('what is no namespace is an error', () => {
  bpfErrorOf(() => netnsIdentity('/run/netns/ebpf-ts-none'), 'ENOENT');
  bpfErrorOf(() => netnsIdentity(''), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => netnsIdentity(`${OWN}\0`), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => netnsIdentity(7 as unknown as string), 'BPF_BAD_ARGUMENT');
});

describeAsRoot('the identity of a network namespace', () => {
  test('a file and a namespace of another kind are none', () => {
    bpfErrorOf(() => netnsIdentity('/etc/hostname'), 'EINVAL');
    bpfErrorOf(() => netnsIdentity('/proc/self/ns/uts'), 'EINVAL');
  });

  test('is the same by every path, and the caller stays where it is', () => {
    const before = readlinkSync('/proc/thread-self/ns/net');
    const netns = createNetworkNamespace(NAME);
    try {
      const identity = netnsIdentity(netns.path);
      expect(identity.inode).toBe(BigInt(statSync(netns.path).ino));
      expect(identity.cookie).not.toBe(netnsIdentity(OWN).cookie);
      expect(netnsIdentity(`/proc/self/root${netns.path}`)).toEqual(identity);
      expect(readlinkSync('/proc/thread-self/ns/net')).toBe(before);
    } finally {
      netns.remove();
    }
  });

  test('is never that of one before, whose inode it may have', () => {
    const identities = Array.from({ length: 20 }, () => {
      const netns = createNetworkNamespace(NAME);
      try {
        return netnsIdentity(netns.path);
      } finally {
        netns.remove();
      }
    });
    expect(new Set(identities.map(({ cookie }) => cookie)).size).toBe(identities.length);
    expect(new Set(identities.map(({ inode }) => inode)).size).toBeLessThan(identities.length);
  });
});
