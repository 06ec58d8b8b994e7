import { expect, it } from 'vitest';
import { ADDRESS, FAR_SOURCE, type Mode } from '../cluster.js';
import { droppedByRule } from '../dropped-by-rule.js';
import { judgePaths, route } from '../judge.js';
import { judgeFlow } from '../judge-flow.js';
import { fromClient } from '../place.js';
import { roundTrip } from '../round-trip.js';
import { ruleCount } from '../rule-count.js';
import { observe } from '../scene.js';
import { judgeServiceCall } from '../service-call.js';
import { http } from '../traffic.js';
import { fromClientTo } from '../way.js';

export function nodePortScenes(encap: Mode): void {
  it('S9: the client outside to a node port, endpoint pod2', async () => {
    const { names } = await judgeServiceCall({
      caller: 'client',
      sourcePort: 41009,
      to: { address: ADDRESS.node111, port: 30082 },
      service: 'default/nginx-pod2',
      pod: 'pod2',
      masquerade: ADDRESS.node111,
      ways: await roundTrip(encap, 'client', 'pod2'),
    });
    expect(names.seen).not.toBe(`${ADDRESS.node111}:41009`);
  });

  it('S10: the client outside to a node port, endpoint pod3', async () => {
    await judgeServiceCall({
      caller: 'client',
      sourcePort: 41010,
      to: { address: ADDRESS.node111, port: 30083 },
      service: 'default/nginx-pod3',
      pod: 'pod3',
      masquerade: FAR_SOURCE[encap],
      ways: await roundTrip(encap, 'client', 'pod3'),
    });
  });
}

const NO_LOCAL_ENDPOINTS = 'default/nginx-local has no local endpoints';

/** @param dropped how many packets the rule on node112 has dropped that is to drop them */
export function localPolicyScenes(
  encap: Mode,
  dropped = (): Promise<number> => ruleCount('node112', 'filter', NO_LOCAL_ENDPOINTS),
): void {
  it('S11: externalTrafficPolicy Local with a local endpoint', async () => {
    await judgeServiceCall({
      caller: 'client',
      sourcePort: 41011,
      to: { address: ADDRESS.node111, port: 30081 },
      service: 'default/nginx-local',
      pod: 'pod2',
      ways: await roundTrip(encap, 'client', 'pod2'),
    });
  });

  it('S11: externalTrafficPolicy Local without a local endpoint', async () => {
    const caller = `${ADDRESS.client}:41111`;
    const port = `${ADDRESS.node112}:30081`;
    const before = await dropped();
    const scene = await observe(fromClient('node112'), async () =>
      expect(await http('client', 41111, ADDRESS.node112, 30081, 2)).toBeNull(),
    );
    judgePaths(scene);
    const flow = judgeFlow(scene, {
      from: 'client/eth0',
      to: 'nowhere',
      original: `tcp ${caller} > ${port}`,
      reply: `tcp ${port} > ${caller}`,
      service: 'default/nginx-local',
      src: 'client (external)',
      dst: 'node112 (node)',
      verdict: 'dropped',
    });
    const tries = scene.paths.length;
    expect(tries, 'a SYN and its retransmission').toBeGreaterThan(1);
    expect((await dropped()) - before).toBe(tries);
    expect(flow.drops).toEqual({
      original: String(tries),
      reply: '0',
      reasons: { NETFILTER_DROP: String(tries) },
    });
    const drop = await droppedByRule(
      'input',
      /^(?:KUBE-EXTERNAL-SERVICES|nodeport-endpoints-check)$/,
      /no local endpoints|@no-endpoint-nodeports/,
    );
    for (const path of scene.paths) {
      expect(path).toMatchObject({ verdict: 'dropped', drop });
      expect(route(path)).toEqual([
        ...fromClientTo('node112'),
        'node112 prerouting',
        'node112 input',
        'node112 drop',
      ]);
    }
  });
}
