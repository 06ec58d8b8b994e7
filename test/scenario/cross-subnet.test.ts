import { describe, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { ADDRESS, LAN, OVERHEAD, POD_MTU, TUNNEL } from './cluster.js';
import { EMULATED } from './cluster-scenes.js';
import { describeInLab } from './in-lab.js';
import { framesOf, inDirection, judgePaths, route } from './judge.js';
import { judgeFlow } from './judge-flow.js';
import { missingFor } from './missing.js';
import { podEnd } from './place.js';
import { roundTrip } from './round-trip.js';
import { observe } from './scene.js';
import { nodePortScenes } from './scenes/node-port.js';
import { podToPodScenes } from './scenes/pod-to-pod.js';
import { serviceScenes } from './scenes/service.js';
import { ping } from './traffic.js';

type Tunnelled = 'ipip' | 'vxlan';

for (const encap of ['ipip', 'vxlan'] as const) {
  const missing = await missingFor({ encap });
  describe.skipIf(missing !== null)(missing ?? 'CrossSubnet', () => {
    describeInLab({ encap, crossSubnet: true }, () => oneSubnet(encap));
    describeInLab({ encap, crossSubnet: true, subnets: 2 }, () => twoSubnets(encap));
  });
}

function oneSubnet(encap: Tunnelled): void {
  it('has a tunnel that no route to a pod leads into', async () => {
    const device = TUNNEL[encap] ?? '';
    expect(await runIn('node111', 'ip', ['-o', 'link', 'show', 'up', device])).toContain(device);
    expect(await runIn('node111', 'ip', ['route', 'show', 'dev', device])).toBe('');
  });
  // All else is as it is without one.
  podToPodScenes('none', POD_MTU[encap]);
  if (EMULATED) return;
  serviceScenes('none');
  nodePortScenes('none');
}

function twoSubnets(encap: Tunnelled): void {
  const id = encap === 'ipip' ? 'S2' : 'S20';
  it(`${id}: pod1 to pod3 on a node of another subnet`, async () => {
    const ways = await roundTrip(encap, 'pod1', 'pod3');
    const scene = await observe([...ways.before, ...ways.behind], async () =>
      expect(await ping('pod1', ADDRESS.pod3)).toBe(2),
    );
    judgePaths(scene);
    judgeFlow(scene, {
      from: podEnd('pod1'),
      to: podEnd('pod3'),
      original: `icmp ${ADDRESS.pod1} > ${ADDRESS.pod3}`,
      reply: `icmp ${ADDRESS.pod3} > ${ADDRESS.pod1}`,
      src: 'pod1 (pod)',
      dst: 'pod3 (pod)',
    });
    const there = inDirection(scene, 'original');
    expect(there).toHaveLength(2);
    for (const path of there) {
      expect(route(path)).toEqual(ways.there);
      const wire = framesOf(path).filter(({ place }) => place.endsWith('/ens10'));
      expect(wire).toHaveLength(2);
      for (const frame of wire) {
        expect(frame.len).toBe(98 + OVERHEAD[encap]);
        expect(frame.outer).toMatchObject({ type: encap, src: LAN.node111, dst: LAN.node112 });
      }
      // The router is met by the outer packet: it is not in the way of the inner one.
      expect(wire.map(({ ttl }) => ttl)).toEqual([63, 63]);
      expect(wire[0]?.mac?.dst).not.toBe(wire[1]?.mac?.dst);
    }
    for (const path of inDirection(scene, 'reply')) expect(route(path)).toEqual(ways.back);
  });
  if (EMULATED) return;
  serviceScenes(encap);
  nodePortScenes(encap);
}
