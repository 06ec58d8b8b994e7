import { afterAll, describe, expect, it } from 'vitest';
import { labDown } from '../../src/lab/down.js';
import { runIn } from '../../src/lab/run-command.js';
import { labUp } from '../../src/lab/up.js';
import { POD_MTU, TUNNEL } from './cluster.js';
import { describeInLab } from './in-lab.js';
import { anyTunnel, missingFor } from './missing.js';
import { auditMachine, healthyAuditScene, healthyLiveScene } from './scenes/mtu-audit.js';

// The other healthy clusters are audited where their own scenes are.
for (const encap of ['ipip', 'vxlan', 'wireguard', 'none'] as const) {
  const missing = await missingFor({ encap });
  describe.skipIf(missing !== null)(missing ?? 'a router between the nodes, dual stack', () => {
    describeInLab({ encap, crossSubnet: true, subnets: 2, dualStack: true }, () => {
      healthyAuditScene();
      healthyLiveScene();
    });
  });
}

describe('several faults in one cluster', () => {
  afterAll(labDown);

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
    // What is larger than ens10 takes is dropped on the wire, and the sender is not notified.
    ids.delete('mss-not-clamped');
    expect(ids.size).toBe(4);
    await setMtu('node112', 'ens10', 1500);
    await setMtu('pod2', 'eth0', POD_MTU[encap]);
    await runIn('node111', 'iptables', ['-D', 'FORWARD', ...icmp]);
    expect(await severe()).toEqual([]);
  });
});
