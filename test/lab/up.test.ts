import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { withProbe } from '../../src/lab/capability.js';
import { labDown } from '../../src/lab/down.js';
import type { Encap, LabUpOptions, ProxyMode } from '../../src/lab/options.js';
import { policyOff, policyOn } from '../../src/lab/policy.js';
import { LabCommandError, runCommand, runIn } from '../../src/lab/run-command.js';
import { LAB_DIRECTORY, labState } from '../../src/lab/state.js';
import { ALL_NETNS, PODS } from '../../src/lab/topology.js';
import { labUp } from '../../src/lab/up.js';
import { call, counted, pings } from './calls.js';
import { captured } from './frames.js';

const [pod1, pod2, pod3] = ['10.244.153.204', '10.244.153.201', '10.244.146.205'];
const GATEWAY_MAC = 'ee:ee:ee:ee:ee:ee';
const MAC = {
  node111: '52:54:00:dc:c7:b4',
  node112: '52:54:00:d3:bf:21',
  pod1: '32:21:45:c4:c5:d5',
  pod2: '7a:0e:9c:41:d3:02',
};

/** Processes that carry the lab's marker. */
function labProcesses(): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes('HOPSCOPE_LAB=1');
    } catch {
      return false;
    }
  });
}

async function expectNothingLeft(): Promise<void> {
  const left = ALL_NETNS.filter((name) => existsSync(`/run/netns/${name}`));
  expect(left).toEqual([]);
  expect(existsSync(LAB_DIRECTORY)).toBe(false);
  // A process that was asked to end is seen until the kernel has taken it apart.
  await vi.waitFor(() => expect(labProcesses()).toEqual([]), { timeout: 3_000 });
}

type Mode = LabUpOptions & { readonly encap: Encap; readonly proxy: ProxyMode };

const EVERY_MODE: readonly Mode[] = [
  { encap: 'vxlan', proxy: 'iptables', iptables: 'nft' },
  { encap: 'vxlan', proxy: 'iptables', iptables: 'legacy' },
  { encap: 'none', proxy: 'iptables', iptables: 'nft' },
  { encap: 'none', proxy: 'iptables', iptables: 'legacy' },
  { encap: 'vxlan', proxy: 'nftables', iptables: 'nft' },
  { encap: 'ipip', proxy: 'iptables', iptables: 'nft' },
  { encap: 'wireguard', proxy: 'iptables', iptables: 'nft' },
  { encap: 'ipip', proxy: 'ipvs', iptables: 'nft' },
];

/** That a mode the kernel lacks is refused by name is tested with the command. */
const MODES = await withProbe(async (probe) => {
  const modes: Mode[] = [];
  for (const mode of EVERY_MODE) {
    const lacking =
      (await probe.encap(mode.encap)) ?? (await probe.proxy(mode.proxy, mode.iptables ?? 'nft'));
    if (lacking === null) modes.push(mode);
  }
  return modes;
});

it('finds the modes that every kernel of the tests has', () => {
  expect(MODES.map(({ encap }) => encap)).toEqual(expect.arrayContaining(['vxlan', 'none']));
});

/** Bytes a ping's frame grows by on ens10; WireGuard pads the packet to 16 (84 to 96). */
const OVERHEAD: Readonly<Record<Encap, number>> = { ipip: 20, vxlan: 50, wireguard: 72, none: 0 };
const ON_THE_WIRE = 'icmp or ip proto 4 or udp port 4789 or udp port 51820';

/** By which address a node reaches pods of the other node. */
const TUNNEL_SOURCE: Readonly<Record<Encap, string>> = {
  ipip: '10.244.153.192',
  vxlan: '10.244.153.192',
  wireguard: '10.244.153.192',
  none: '192.168.100.111',
};

describe.each(MODES)('a lab with $encap, $proxy ($iptables)', (options) => {
  const source = TUNNEL_SOURCE[options.encap];
  const backend = options.iptables ?? 'nft';

  beforeAll(async () => {
    await labUp(options);
  });

  afterAll(async () => {
    await labDown();
    await expectNothingLeft();
  });

  it('S1: leads pod1 to pod2 through the two host sides, with no tunnel', async () => {
    const [left, right, wire] = await captured(
      [
        ['node111', 'calice0906292e2', 2],
        ['node111', 'calibd2348b4f67', 2],
        ['node111', 'ens10', 0],
      ],
      ON_THE_WIRE,
      () => runIn('pod1', 'ping', ['-n', '-c', '1', pod2 ?? '']),
    );
    expect(left?.map(({ length, from, to }) => [length, from, to])).toEqual([
      [98, MAC.pod1, GATEWAY_MAC],
      [98, GATEWAY_MAC, MAC.pod1],
    ]);
    expect(right?.map(({ length, from, to }) => [length, from, to])).toEqual([
      [98, GATEWAY_MAC, MAC.pod2],
      [98, MAC.pod2, GATEWAY_MAC],
    ]);
    expect(wire).toEqual([]);
  });

  it('S2, S16, S20: leads pod1 to pod3 over ens10 in the form of the mode', async () => {
    // WireGuard's handshake comes before its first packet.
    if (options.encap === 'wireguard') expect(await pings('pod1', pod3 ?? '')).toBe(true);
    const [wire] = await captured([['node112', 'ens10', 2]], ON_THE_WIRE, () =>
      runIn('pod1', 'ping', ['-n', '-c', '1', pod3 ?? '']),
    );
    const overhead = OVERHEAD[options.encap];
    expect(wire?.map(({ length, from, to }) => [length, from, to])).toEqual([
      [98 + overhead, MAC.node111, MAC.node112],
      [98 + overhead, MAC.node112, MAC.node111],
    ]);
    if (options.encap === 'vxlan') expect(wire?.[0]?.line).toMatch(/VXLAN.* vni 4096/);
    else expect(wire?.[0]?.line).not.toContain('VXLAN');
    if (options.encap === 'ipip') {
      expect(wire?.[0]?.line).toMatch(
        /192\.168\.100\.111 > 192\.168\.100\.112: 10\.244\.153\.204 >/,
      );
    }
  });

  it('S3, S4: gives a node process the right source', async () => {
    const near = await call('node111', `http://${pod2}/`);
    expect(near).toMatchObject({ pod: 'pod2', peer: { address: '172.18.22.111' } });
    const far = await call('node111', `http://${pod3}/`);
    expect(far).toMatchObject({ pod: 'pod3', peer: { address: source } });
  });

  it('S5, S6: translates the service and shows the pod its caller', async () => {
    const [before, after] = await captured(
      [
        ['node111', 'calice0906292e2', 2],
        ['node111', 'calibd2348b4f67', 2],
      ],
      'tcp[tcpflags] & tcp-syn != 0',
      async () => {
        const answer = await call('pod1', 'http://10.107.161.2:8080/');
        expect(answer).toMatchObject({ pod: 'pod2', peer: { address: pod1 } });
        expect(answer?.peer.port).toBe(answer?.callerPort);
      },
    );
    expect(before?.[0]?.line).toMatch(
      /10\.244\.153\.204\.\d+ > 10\.107\.161\.2\.8080: Flags \[S\]/,
    );
    expect(before?.[1]?.line).toMatch(/10\.107\.161\.2\.8080 > 10\.244\.153\.204\.\d+/);
    expect(after?.[0]?.line).toMatch(/10\.244\.153\.204\.\d+ > 10\.244\.153\.201\.80: Flags \[S\]/);
    const far = await call('pod1', 'http://10.107.161.3:8080/');
    expect(far).toMatchObject({ pod: 'pod3', peer: { address: pod1, port: far?.callerPort } });
  });

  it('picks every endpoint of a service at some time', async () => {
    const seen = new Set<string>();
    for (let tries = 0; tries < 60 && seen.size < 2; tries++) {
      seen.add((await call('pod1', 'http://10.107.161.255:8080/'))?.pod ?? 'none');
    }
    expect([...seen].sort()).toEqual(['pod2', 'pod3']);
  });

  it('S7, S8: masquerades a node process that uses a service, with a new port', async () => {
    const near = await call('node111', 'http://10.107.161.2:8080/');
    expect(near).toMatchObject({ pod: 'pod2', peer: { address: '172.18.22.111' } });
    expect(near?.peer.port).not.toBe(near?.callerPort);
    const far = await call('node111', 'http://10.107.161.3:8080/');
    expect(far).toMatchObject({ pod: 'pod3', peer: { address: source } });
  });

  it('S9, S10: masquerades the client outside at a node port', async () => {
    const near = await call('client', 'http://172.18.22.111:30082/');
    expect(near).toMatchObject({ pod: 'pod2', peer: { address: '172.18.22.111' } });
    const far = await call('client', 'http://172.18.22.111:30083/');
    expect(far).toMatchObject({ pod: 'pod3', peer: { address: source } });
  });

  it('S15: leads the client outside through the ingress proxy to the other node', async () => {
    const answer = await call('client', 'http://172.18.22.111:30084/');
    expect(answer).toMatchObject({ pod: 'pod3', peer: { address: pod2 } });
    expect(answer?.peer.port).not.toBe(answer?.callerPort);
  });

  it('S11: shows the client to a local endpoint, and drops where there is none', async () => {
    const answer = await call('client', 'http://172.18.22.111:30081/');
    expect(answer).toMatchObject({
      pod: 'pod2',
      peer: { address: '172.20.151.77', port: answer?.callerPort },
    });
    const without = call('client', 'http://172.18.22.112:30081/');
    // ip_vs answers for a service without endpoints, the rules of the others are silent.
    if (options.proxy === 'ipvs') await expect(without).rejects.toThrow('ECONNREFUSED');
    else expect(await without).toBeNull();
    if (options.proxy === 'iptables') {
      const words = 'default/nginx-local has no local endpoints';
      expect(await counted('node112', backend, 'filter', words)).toBeGreaterThan(0);
    }
  });

  it('S12: with the policy lets only pod1 in, and only on TCP 80', async () => {
    await policyOn();
    expect((await labState())?.policy).toBe(true);
    try {
      expect(await call('pod1', 'http://10.107.161.3:8080/')).toMatchObject({ pod: 'pod3' });
      expect(await pings('pod1', pod3 ?? '')).toBe(false);
      const [arrived, reached] = await captured(
        [
          ['node112', 'ens10', 1],
          ['pod3', 'eth0', 0],
        ],
        `${ON_THE_WIRE} or tcp port 80`,
        async () => expect(await call('pod2', `http://${pod3}/`)).toBeNull(),
      );
      expect(arrived?.length).toBeGreaterThan(0);
      expect(reached).toEqual([]);
      const words = 'Drop if no policies passed packet';
      expect(await counted('node112', backend, 'filter', words)).toBeGreaterThan(0);
    } finally {
      await policyOff();
    }
    expect(await call('pod2', `http://${pod3}/`)).toMatchObject({ pod: 'pod3' });
    expect(await pings('pod1', pod3 ?? '')).toBe(true);
  });

  it('S17: answers the ARP of a pod for 169.254.1.1 at once', async () => {
    await runIn('pod1', 'ip', ['neigh', 'flush', 'dev', 'eth0']);
    const [frames] = await captured([['pod1', 'eth0', 2]], 'arp host 169.254.1.1', () =>
      runIn('pod1', 'ping', ['-n', '-c', '1', pod2 ?? '']),
    );
    expect(frames?.[0]?.line).toMatch(/Request who-has 169\.254\.1\.1 tell 10\.244\.153\.204/);
    expect(frames?.[1]?.line).toMatch(/Reply 169\.254\.1\.1 is-at ee:ee:ee:ee:ee:ee/);
    const [asked, reported] = (frames ?? []).map(({ line }) => Number(line.slice(6, 15)));
    expect(((reported ?? 0) - (asked ?? 0) + 60) % 60).toBeLessThan(0.1);
  });

  it('S18: loses what goes to an unassigned address of the block', async () => {
    expect(await pings('pod1', '10.244.153.250')).toBe(false);
    const route = runIn('node111', 'ip', ['route', 'get', '10.244.153.250']);
    await expect(route).rejects.toThrow('Invalid argument');
  });

  it('makes no traffic of its own', async () => {
    const [frames] = await captured([['node111', 'any', 0]], 'not arp and not udp port 51820', () =>
      runCommand('sleep', ['1.2']),
    );
    expect(frames).toEqual([]);
  });

  it('says what it is', async () => {
    const state = await labState();
    expect(state).toMatchObject(options);
    expect(state?.netns.map(({ name }) => name).sort()).toEqual([...ALL_NETNS].sort());
    expect(state?.pods.map(({ ips }) => ips)).toEqual([[pod1], [pod2], [pod3]]);
    expect(state?.services.map(({ name }) => name)).toContain('nginx-service');
  });
});

describe('labUp', () => {
  afterAll(async () => {
    await labDown();
  });

  it('replaces a lab that is up', async () => {
    await labUp({ encap: 'none' });
    const reported: string[] = [];
    const state = await labUp({ encap: 'vxlan', podMtu: 1300 }, (line) => reported.push(line));
    expect(reported).toEqual(['removed the lab that was up']);
    expect(state).toMatchObject({ encap: 'vxlan', podMtu: 1300 });
    // Two servers and the ingress proxy.
    expect(labProcesses().length).toBe(3);
    for (const pod of PODS) {
      const near = await runIn(pod.name, 'ip', ['-o', 'link', 'show', 'eth0']);
      const far = await runIn(pod.node, 'ip', ['-o', 'link', 'show', pod.hostDevice]);
      expect(near).toContain('mtu 1300');
      expect(far).toContain('mtu 1300');
    }
  });

  it('routes straight between nodes of one subnet with crossSubnet', async () => {
    await labUp({ encap: 'vxlan', crossSubnet: true });
    const [wire] = await captured([['node112', 'ens10', 2]], 'icmp', () =>
      runIn('pod1', 'ping', ['-n', '-c', '1', pod3 ?? '']),
    );
    expect(wire?.map(({ length }) => length)).toEqual([98, 98]);
  });

  it('has a router between nodes of two subnets, which knows pods that are in no tunnel', async () => {
    const farPod = 'fd00:10:244:92c0::d';
    for (const [encap, lengths4, lengths6] of [
      ['none', [98, 98], [118, 118]],
      ['vxlan', [148, 148], [188, 188]],
    ] as const) {
      await labUp({ encap, crossSubnet: true, subnets: 2, dualStack: true });
      expect(await labState()).toMatchObject({ subnets: 2 });
      for (const [host, filter, lengths] of [
        [pod3 ?? '', 'icmp or udp port 4789', lengths4],
        [farPod, '(icmp6 and ip6[40] & 0xfe == 128) or (ip6 and udp port 4789)', lengths6],
      ] as const) {
        const [wire] = await captured([['node112', 'ens10', 2]], filter, () =>
          runIn('pod1', 'ping', ['-n', '-c', '1', host]),
        );
        expect(wire?.map(({ length }) => length)).toEqual(lengths);
      }
      const bridges = await runIn('hs-lan', 'ip', ['-o', 'link', 'show', 'type', 'bridge']);
      expect(bridges).toBe('');
    }
  });

  it('carries IPv6 in every form with dualStack', async () => {
    await labUp({ encap: 'vxlan', dualStack: true });
    const near = await call('pod1', 'http://[fd00:10:96::2]:8080/');
    expect(near).toMatchObject({ pod: 'pod2', peer: { address: 'fd00:10:244:99c0::c' } });
    const far = await call('pod1', 'http://[fd00:10:96::3]:8080/');
    expect(far).toMatchObject({ pod: 'pod3', peer: { address: 'fd00:10:244:99c0::c' } });
    const [wire] = await captured([['node112', 'ens10', 2]], 'ip6 and udp port 4789', () =>
      runIn('pod1', 'ping', ['-n', '-c', '1', 'fd00:10:244:92c0::d']),
    );
    // 118 on the pod's device and 70 of outer Ethernet, IPv6, UDP and VXLAN headers.
    expect(wire?.map(({ length }) => length)).toEqual([188, 188]);
    const outside = await call('client', 'http://[fd00:172:18:22::111]:30083/');
    expect(outside).toMatchObject({ pod: 'pod3', peer: { address: 'fd00:10:244:99c0::' } });
  });

  it('lets one at a time change it', async () => {
    const reported: string[] = [];
    await Promise.all([
      labUp({ encap: 'none' }, (line) => reported.push(line)),
      labUp({ encap: 'none' }, (line) => reported.push(line)),
    ]);
    expect(reported).toContain('removed the lab that was up');
    expect(await call('pod1', `http://${pod3}/`)).toMatchObject({ pod: 'pod3' });
    expect((await Promise.all([labDown(), labDown()])).sort()).toEqual([false, true]);
  });

  it('undoes everything when it is aborted half way', async () => {
    const controller = new AbortController();
    const building = labUp({ encap: 'none', signal: controller.signal });
    const halfWay = setInterval(() => {
      if (existsSync('/run/netns/hs-wan')) controller.abort();
    }, 1);
    await expect(building).rejects.toThrow();
    clearInterval(halfWay);
    await expectNothingLeft();
  });

  it('leaves alone a namespace it did not make', async () => {
    await runCommand('ip', ['netns', 'add', 'pod1']);
    try {
      await expect(labUp({ encap: 'none' })).rejects.toMatchObject({ code: 'LAB_NAME_TAKEN' });
      expect(await labDown()).toBe(false);
      expect(existsSync('/run/netns/pod1')).toBe(true);
      expect(existsSync('/run/netns/node111')).toBe(false);
    } finally {
      await runCommand('ip', ['netns', 'del', 'pod1']);
    }
  });
});

describe('labDown', () => {
  it('removes half a lab', async () => {
    await labUp({ encap: 'none' });
    await runCommand('ip', ['netns', 'del', 'pod3']);
    await runIn('node111', 'ip', ['link', 'del', 'ens10']);
    expect(await labDown()).toBe(true);
    await expectNothingLeft();
  });

  it('does nothing when there is none', async () => {
    expect(await labDown()).toBe(false);
    expect(await labState()).toBeNull();
  });
});

describe('runCommand', () => {
  it('says which command failed and why', async () => {
    const failing = runCommand('ip', ['netns', 'del', 'hs-not-there']);
    await expect(failing).rejects.toBeInstanceOf(LabCommandError);
    await expect(failing).rejects.toMatchObject({ code: 'LAB_COMMAND_FAILED' });
    await expect(failing).rejects.toThrow(/^ip netns del hs-not-there: .*No such file/);
  });

  it('says which package a missing program is in', async () => {
    const missing = runCommand('hs-no-such-program', []);
    await expect(missing).rejects.toMatchObject({
      code: 'LAB_TOOL_MISSING',
      remedy: 'apt-get install --no-install-recommends hs-no-such-program',
    });
  });
});
