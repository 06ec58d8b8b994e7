import { PROBE_SIZE_MAX, sendEchoProbe } from 'ebpf-ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { createNetworkNamespace, type NetworkNamespace } from './network-namespace.js';

const OWN = '/proc/self/ns/net';
const PROBE = {
  ...{ source: '127.0.0.1', destination: '127.0.0.1' },
  ...{ size: 1_000, id: 7, sequence: 1, waitMs: 1_000 },
};

test('arguments are checked', () => {
  for (const wrong of [
    { size: 27 },
    { size: PROBE_SIZE_MAX + 1 },
    { id: 0x10000 },
    { sequence: -1 },
    { waitMs: 60_001 },
    { source: '::1' },
    { destination: 'localhost' },
    { source: '::1', destination: '::1', size: 47 },
  ]) {
    bpfErrorOf(() => sendEchoProbe(OWN, { ...PROBE, ...wrong }), 'BPF_BAD_ARGUMENT');
  }
});

describeAsRoot('an echo that is not cut', () => {
  let netns: NetworkNamespace;
  beforeAll(() => {
    netns = createNetworkNamespace('ebpf-ts-echo');
    netns.run('ip', 'link', 'add', 'v0', 'mtu', '1400', 'type', 'veth', 'peer', 'name', 'v1');
    netns.run('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'v0');
    netns.run('ip', 'address', 'add', '2001:db8::1/64', 'dev', 'v0', 'nodad');
    netns.run('ip', 'link', 'set', 'v0', 'up');
    netns.run('ip', 'link', 'set', 'v1', 'up');
  });
  afterAll(() => netns.remove());

  test.each(['127.0.0.1', '::1'])('is answered by %s', async (address) => {
    const probe = { ...PROBE, source: address, destination: address };
    expect(await sendEchoProbe(netns.path, probe)).toEqual({
      ...{ outcome: 'answered', error: null, isLocal: false, mtu: null, from: null },
    });
  });

  test('the least and the largest there are', async () => {
    for (const size of [28, PROBE_SIZE_MAX]) {
      expect((await sendEchoProbe(netns.path, { ...PROBE, size })).outcome).toBe('answered');
    }
  });

  test.each([
    ['192.0.2.1', '192.0.2.9'],
    ['2001:db8::1', '2001:db8::9'],
  ])('is not sent where the device takes less (%s)', async (source, destination) => {
    const probe = { ...PROBE, source, destination, size: 1_401, waitMs: 200 };
    expect(await sendEchoProbe(netns.path, probe)).toEqual({
      ...{ outcome: 'refused', error: 'EMSGSIZE', isLocal: true, mtu: 1_400, from: null },
    });
  });

  test('nobody answers', async () => {
    const probe = { ...PROBE, source: '192.0.2.1', destination: '192.0.2.9', waitMs: 200 };
    expect((await sendEchoProbe(netns.path, probe)).outcome).toBe('silent');
  });

  test('an error of a namespace, an address or a route rejects', async () => {
    const codeOf = (path: string, change: object) =>
      sendEchoProbe(path, { ...PROBE, ...change }).catch(({ code }: { code: string }) => code);
    expect(await codeOf('/run/netns/none', {})).toBe('ENOENT');
    expect(await codeOf(netns.path, { source: '198.51.100.1' })).toBe('EADDRNOTAVAIL');
    const away = { source: '192.0.2.1', destination: '198.51.100.1' };
    expect(await codeOf(netns.path, away)).toBe('ENETUNREACH');
  });
});
