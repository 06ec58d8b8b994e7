import type { CostRecord, FaultRecord, WayRecord } from 'hopscope-protocol';
import { expect, it } from 'vitest';
import { ETHERNET_MTU } from '../../../src/lab/options.js';
import { runIn } from '../../../src/lab/run-command.js';
import { PODS } from '../../../src/lab/topology.js';
import { tunnelsOf } from '../../../src/lab/tunnels.js';
import { type Audit, audit } from '../../../src/mtu/audit.js';
import type { Way } from '../../../src/mtu/ways.js';
import { readMachine } from '../../../src/source/machine-reader.js';
import { hopscope } from '../../cli/command-line.js';
import { ADDRESS, type Mode } from '../cluster.js';
import { stream } from '../traffic.js';

/** The audit of everything on this machine, the machine itself included. */
export async function auditMachine(): Promise<Audit> {
  const description = await readMachine(null);
  expect(description.problems).toEqual([]);
  return audit(description);
}

/** The way of pod1 to pod3, on the other node. */
function toOtherNode({ ways }: Audit): Way | undefined {
  return ways.find(
    ({ pod, trace, towards }) =>
      pod.device.namespace.name === 'pod1' &&
      trace.last.name === 'pod3' &&
      trace.end === 'delivered' &&
      towards.family === 4,
  );
}

/** In a cluster where everything fits. */
export function healthyAuditScene(): void {
  it('an audit of MTUs finds no fault, neither here nor on this machine', async () => {
    const audited = await auditMachine();
    expect(audited.findings).toEqual([]);
    const way = toOtherNode(audited);
    expect(way?.mtu).toBe(way?.pod.device.link.mtu);
    // The kernel agrees: a packet of that size passes whole.
    const size = `${(way?.mtu ?? 0) - 28}`;
    await runIn('pod1', 'ping', ['-c1', '-W10', '-Mdo', `-s${size}`, ADDRESS.pod3]);
  });
}

/** In a cluster of both families whose pods know nothing of the tunnel. */
export function podsAboveAuditScene(encap: Mode): void {
  it('S19: an audit names each pod, with the MTU that the kernel itself arrives at', async () => {
    const audited = await auditMachine();
    const tunnels = tunnelsOf({ encap, dualStack: true });
    const expected = PODS.flatMap(({ name, node, hostDevice }) =>
      tunnels.map(({ device, mtu }) =>
        expect.objectContaining({
          ...{ id: 'pod-mtu-above-tunnel', severity: 'error', netns: node, dev: hostDevice },
          peer: { netns: name, dev: 'eth0' },
          ...{ found: { mtu: ETHERNET_MTU }, expected: { mtu }, evidence: ['device'] },
          because: `${device} adds ${ETHERNET_MTU - mtu} bytes to packets of at most 1500 on ens10`,
        }),
      ),
    );
    expect(audited.findings).toHaveLength(expected.length);
    expect(audited.findings).toEqual(expect.arrayContaining(expected));
    const way = toOtherNode(audited);
    const [first] = tunnels;
    expect(way?.mtu).toBe(first?.mtu);
    expect(way?.setBy.device.link.name).toBe(first?.device);
    const full = `${ETHERNET_MTU - 28}`;
    await runIn('pod1', 'ping', ['-c1', '-W5', '-Mdo', `-s${full}`, ADDRESS.pod3]).catch(() => '');
    const learned = await runIn('pod1', 'ip', ['route', 'get', ADDRESS.pod3]);
    expect(learned).toContain(`mtu ${first?.mtu}`);
    // What was learned so is no fault.
    expect((await auditMachine()).findings).toHaveLength(expected.length);
  });
}

/** With traffic between the nodes as large as fits. */
export function healthyLiveScene(): void {
  it('nor do packets show a fault, and what the tunnel costs is said', async () => {
    const way = toOtherNode(await auditMachine());
    const size = `${(way?.mtu ?? 0) - 28}`;
    const watching = hopscope('mtu', '--duration', '10s', '--json');
    let isOver = false;
    void watching.then(() => {
      isOver = true;
    });
    // It takes some seconds to begin.
    for (let round = 0; !isOver; round++) {
      await runIn('pod1', 'ping', ['-c2', '-i0.2', '-W10', '-Mdo', `-s${size}`, ADDRESS.pod3]);
      const port = 5_301 + round;
      const to = { netns: 'pod3', address: ADDRESS.pod3, port };
      await stream({ netns: 'pod1', port: 40_000 + port }, to, 200_000);
    }
    const { status, out } = await watching;
    const records = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as FaultRecord | CostRecord | WayRecord);
    expect(records.filter(({ type }) => type === 'fault')).toEqual([]);
    expect(status).toBe(0);
    const costs = records.filter((each): each is CostRecord => each.type === 'cost');
    expect(costs.some(({ by }) => by === 'encapsulation')).toBe(true);
    for (const { ratio } of costs) expect(ratio ?? 2).toBeGreaterThan(1);
  }, 120_000);
}
