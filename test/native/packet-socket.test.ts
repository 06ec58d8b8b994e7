import { BpfObject, type Link } from 'ebpf-ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { createNetworkNamespace, type NetworkNamespace } from './network-namespace.js';

/** PACKET_HOST and PACKET_OUTGOING of include/uapi/linux/if_packet.h. */
const HOST = 0;
const OUTGOING = 4;
/** IPv4 and ICMP headers with the 56 bytes that ping sends by default. */
const ECHO_BYTES = 84;
const LINK_HEADER = 14;

describeAsRoot('a packet socket', () => {
  let netns: NetworkNamespace;
  let peer: NetworkNamespace;
  let object: BpfObject;
  let link: Link | null = null;
  let ifindex = 0;

  beforeAll(() => {
    netns = createNetworkNamespace('ebpf-ts-packet');
    peer = createNetworkNamespace('ebpf-ts-packet-p');
    netns.run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'eth0', 'netns', peer.name);
    for (const [side, address] of [
      [netns, '192.0.2.1/24'],
      [peer, '192.0.2.2/24'],
    ] as const) {
      side.run('sysctl', '-q', '-w', 'net.ipv6.conf.all.disable_ipv6=1');
      side.run('ip', 'address', 'add', address, 'dev', 'eth0');
      side.run('ip', 'link', 'set', 'eth0', 'up');
    }
    ifindex = JSON.parse(netns.run('ip', '-j', 'link', 'show', 'eth0'))[0].ifindex;
    // Both sides know each other's address now, so that no ARP is counted below.
    netns.run('ping', '-c', '1', '192.0.2.2');
  });
  afterAll(() => {
    netns.remove();
    peer.remove();
  });
  beforeEach(() => {
    object = BpfObject.open(compileProgram('packet'));
    object.load();
  });
  afterEach(() => {
    link?.close();
    link = null;
    object.close();
  });

  const counted = (type: number): { packets: number; bytes: number } => {
    const value = object.map('by_type').get(new Uint8Array(new Uint32Array([type]).buffer));
    const view = new DataView((value ?? new Uint8Array(16)).buffer);
    return {
      packets: Number(view.getBigUint64(0, true)),
      bytes: Number(view.getBigUint64(8, true)),
    };
  };
  const ping = (): string => netns.run('ping', '-c', '3', '-i', '0.05', '192.0.2.2');
  const attach = (options: { outgoing?: boolean; start?: 'link' | 'network' }): Link => {
    link = object.program('on_packet').attachPacket({ ifindex, netns: netns.path, ...options });
    return link;
  };

  test('shows what a device receives, link header and all, and takes nothing away', () => {
    expect(attach({}).kind).toBe('packet');
    expect(ping()).toContain('3 received');
    expect(counted(HOST)).toEqual({ packets: 3, bytes: 3 * (LINK_HEADER + ECHO_BYTES) });
    expect(counted(OUTGOING).packets).toBe(0);
  });

  test('shows what a device sends when asked, from the network header on', () => {
    attach({ outgoing: true, start: 'network' });
    ping();
    expect(counted(HOST)).toEqual({ packets: 3, bytes: 3 * ECHO_BYTES });
    expect(counted(OUTGOING)).toEqual({ packets: 3, bytes: 3 * ECHO_BYTES });
  });

  test('ends when it is closed', () => {
    const { closed } = attach({});
    expect(closed).toBe(false);
    link?.close();
    ping();
    expect(counted(HOST).packets).toBe(0);
  });

  test('has no account of itself, and names what it cannot be attached to', () => {
    expect(() => attach({}).info()).toThrow();
    const program = object.program('on_packet');
    bpfErrorOf(() => program.attachPacket({ ifindex: 9999, netns: netns.path }), 'ENODEV');
    bpfErrorOf(() => program.attachPacket({ ifindex, netns: '/run/netns/no-such' }), 'ENOENT');
    for (const options of [
      null,
      { ifindex: 0 },
      { ifindex, start: 'ip' },
      { ifindex, outgoing: 1 },
    ]) {
      bpfErrorOf(() => program.attachPacket(options as never), 'BPF_BAD_ARGUMENT');
    }
  });
});
