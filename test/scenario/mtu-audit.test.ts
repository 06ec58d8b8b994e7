import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { labDown } from '../../src/lab/down.js';
import type { LabUpOptions } from '../../src/lab/options.js';
import { runIn } from '../../src/lab/run-command.js';
import { labUp } from '../../src/lab/up.js';
import { type Audit, audit } from '../../src/mtu/audit.js';
import { readMachine } from '../../src/source/machine-reader.js';
import { ADDRESS, POD_MTU, TUNNEL } from './cluster.js';
import { EMULATED } from './cluster-scenes.js';
import { anyTunnel, missingFor } from './missing.js';

afterAll(labDown);

async function auditMachine(): Promise<Audit> {
  const description = await readMachine(null);
  expect(description.problems).toEqual([]);
  return audit(description);
}

const HEALTHY: readonly LabUpOptions[] = (['ipip', 'vxlan', 'wireguard', 'none'] as const).flatMap(
  (encap) => [
    { encap },
    { encap, dualStack: true },
    ...(encap === 'ipip' || encap === 'vxlan' ? [{ encap, crossSubnet: true }] : []),
    { encap, crossSubnet: true, subnets: 2, dualStack: true },
  ],
);

describe.each(HEALTHY.filter((_, i) => !EMULATED || i % 2 === 1))('%o', (options) => {
  const encap = options.encap ?? 'none';
  it('has no fault, and neither has this machine', async ({ skip }) => {
    const missing = await missingFor({ encap });
    if (missing !== null) skip(missing);
    await labUp(options);
    const { findings, ways } = await auditMachine();
    expect(findings).toEqual([]);
    const way = ways.find(
      ({ pod, trace }) =>
        pod.device.namespace.name === 'pod1' &&
        trace.end === 'delivered' &&
        trace.last.name === 'pod3',
    );
    // In dual stack the MTU of pods is that of the IPv6 tunnel.
    expect(way?.mtu).toBe(way?.pod.device.link.mtu);
    if (options.dualStack !== true) expect(way?.mtu).toBe(POD_MTU[encap]);
  });
});

describe.each(['ipip', 'vxlan', 'wireguard'] as const)('S19 and S20: %s, pods of 1500', (encap) => {
  afterEach(async () => {
    await runIn('pod1', 'ip', ['route', 'flush', 'cache']).catch(() => undefined);
  });

  it('is named for each pod, with the MTU that the kernel itself arrives at', async ({ skip }) => {
    const missing = await missingFor({ encap });
    if (missing !== null) skip(missing);
    await labUp({ encap, podMtu: 1500 });
    const { findings, ways } = await auditMachine();
    expect(new Set(findings.map(({ id }) => id))).toEqual(new Set(['pod-mtu-above-tunnel']));
    expect(findings).toHaveLength(3);
    const mtu = POD_MTU[encap];
    expect(findings).toContainEqual(
      expect.objectContaining({
        ...{ severity: 'error', netns: 'node111', dev: 'calice0906292e2' },
        peer: { netns: 'pod1', dev: 'eth0' },
        ...{ found: { mtu: 1500 }, expected: { mtu }, evidence: ['device'] },
        because: `${TUNNEL[encap]} adds ${1500 - mtu} bytes to packets of at most 1500 on ens10`,
      }),
    );
    const toOther = ways.find(
      ({ pod, trace }) => pod.device.namespace.name === 'pod1' && trace.last.name === 'pod3',
    );
    expect(toOther?.mtu).toBe(mtu);
    expect(toOther?.setBy.device.link.name).toBe(TUNNEL[encap]);
    // A packet of 1500 is refused, and what the pod is told is the MTU of the way.
    await runIn('pod1', 'ping', ['-c2', '-W1', '-Mdo', '-s1472', ADDRESS.pod3]).catch(() => '');
    expect(await runIn('pod1', 'ip', ['route', 'get', ADDRESS.pod3])).toContain(`mtu ${mtu}`);
    // What was learned so is no fault.
    expect((await auditMachine()).findings).toHaveLength(3);
  });
});

describe('several faults in one cluster', () => {
  it('are found, each with its id at its device, and gone when they are', async () => {
    const encap = await anyTunnel();
    const tunnel = TUNNEL[encap] ?? '';
    await labUp({ encap });
    const setMtu = (netns: string, device: string, mtu: number) =>
      runIn(netns, 'ip', ['link', 'set', device, 'mtu', `${mtu}`]);
    const icmp = ['-p', 'icmp', '--icmp-type', 'fragmentation-needed', '-j', 'DROP'];
    await setMtu('node112', 'ens10', 1400);
    await setMtu('pod2', 'eth0', 1300);
    await runIn('node111', 'iptables', ['-I', 'FORWARD', ...icmp]);
    const severe = async () => {
      const { findings } = await auditMachine();
      return findings
        .filter(({ severity }) => severity !== 'note')
        .map(({ id, netns, dev }) => `${id} ${netns}/${dev}`)
        .sort();
    };
    const found = await severe();
    expect(found).toEqual(
      expect.arrayContaining([
        'icmp-dropped node111/null',
        `tunnel-mtu-above-underlay node112/${tunnel}`,
        // ens9 has the default route, and room for the tunnel's MTU.
        `tunnel-on-other-device node112/${tunnel}`,
        'veth-ends-differ node112/ens10',
        'veth-ends-differ pod2/eth0',
      ]),
    );
    const ids = new Set(found.map((each) => each.split(' ')[0]));
    // What is larger than ens10 takes is dropped on the wire, and nobody is told.
    ids.delete('mss-not-clamped');
    expect(ids.size).toBe(4);
    await setMtu('node112', 'ens10', 1500);
    await setMtu('pod2', 'eth0', POD_MTU[encap]);
    await runIn('node111', 'iptables', ['-D', 'FORWARD', ...icmp]);
    expect(await severe()).toEqual([]);
  });
});
