import { expect, it } from 'vitest';
import { runIn } from '../../../src/lab/run-command.js';
import { NODES, podNamed, SERVICES } from '../../../src/lab/topology.js';
import { VXLAN_VNI } from '../../../src/lab/tunnels.js';
import { ADDRESS, MAC, type Mode } from '../cluster.js';
import { acrossNodes6, betweenNodes6, ipv6Tunnel } from '../ipv6-way.js';
import { framesOf, inDirection, judgePaths, route } from '../judge.js';
import { betweenPods, judgeFlow } from '../judge-flow.js';
import { judgeFragments } from '../judge-fragments.js';
import { hostEnd, podEnd } from '../place.js';
import { roundTrip } from '../round-trip.js';
import { observe } from '../scene.js';
import { judgeServiceCall } from '../service-call.js';
import { ping } from '../traffic.js';
import { intoPod, outOfPod, routed } from '../way.js';
import { expectAtNat } from './service.js';

const POD1 = podNamed('pod1').ip6;
const POD2 = podNamed('pod2').ip6;
const POD3 = podNamed('pod3').ip6;
const SERVICE = SERVICES.find(({ name }) => name === 'nginx-pod2')?.clusterIp6 ?? '';
const LAN6 = NODES.map(({ lan }) => lan.ip6);
/** Outer Ethernet, IPv6, UDP and VXLAN: 20 bytes more than over IPv4. */
const VXLAN6_OVERHEAD = 70;

export function dualStackScenes(encap: Mode): void {
  const tunnel = ipv6Tunnel(encap);

  it('S21: S1 over IPv6', async () => {
    const scene = await observe(
      [podEnd('pod1'), hostEnd('pod1'), hostEnd('pod2'), podEnd('pod2')],
      async () => expect(await ping('pod1', POD2)).toBe(2),
    );
    judgePaths(scene);
    const flow = judgeFlow(scene, betweenPods('icmpv6', 'pod1', 'pod2'));
    expect(flow.encapsulation).toEqual([]);
    const there = inDirection(scene, 'original');
    expect(there.length).toBe(2);
    for (const path of there) {
      expect(route(path)).toEqual([
        ...outOfPod('pod1', hostEnd('pod1')),
        ...routed('node111'),
        ...intoPod('pod2', hostEnd('pod2')),
      ]);
      // The hop limit stands where IPv4 has its time to live; the header is 20 bytes longer.
      expect(framesOf(path).map(({ len, ttl, mac }) => [len, ttl, mac?.src, mac?.dst])).toEqual([
        [118, 64, MAC.pod1, MAC.gateway],
        [118, 64, MAC.pod1, MAC.gateway],
        [118, 63, MAC.gateway, MAC.pod2],
        [118, 63, MAC.gateway, MAC.pod2],
      ]);
    }
  });

  it('S21: S2 over IPv6, in its own form', async () => {
    const scene = await observe(
      [podEnd('pod1'), hostEnd('pod1'), ...betweenNodes6(encap), hostEnd('pod3'), podEnd('pod3')],
      async () => expect(await ping('pod1', POD3)).toBe(2),
    );
    judgePaths(scene);
    judgeFlow(scene, betweenPods('icmpv6', 'pod1', 'pod3'));
    const there = inDirection(scene, 'original');
    const back = inDirection(scene, 'reply');
    expect([there.length, back.length]).toEqual([2, 2]);
    for (const path of there) {
      expect(route(path)).toEqual([
        ...outOfPod('pod1', hostEnd('pod1')),
        ...routed('node111'),
        ...(await acrossNodes6(encap, 'node111', 'node112')),
        ...routed('node112'),
        ...intoPod('pod3', hostEnd('pod3')),
      ]);
    }
    for (const path of back) {
      expect(route(path)).toEqual([
        ...outOfPod('pod3', hostEnd('pod3')),
        ...routed('node112'),
        ...(await acrossNodes6(encap, 'node112', 'node111')),
        ...routed('node111'),
        ...intoPod('pod1', hostEnd('pod1')),
      ]);
    }
    const wire = there.flatMap(framesOf).filter(({ place }) => place.endsWith('/ens10'));
    expect(wire.length).toBe(4);
    for (const frame of wire) {
      expect(frame).toMatchObject({
        mac: { src: MAC.node111, dst: MAC.node112 },
        src: POD1,
        dst: POD3,
        ttl: 63,
      });
      if (tunnel === null) {
        expect(frame).toMatchObject({ len: 118, outer: null });
      } else if (encap === 'vxlan') {
        expect(frame).toMatchObject({
          len: 118 + VXLAN6_OVERHEAD,
          outer: {
            type: 'vxlan',
            src: LAN6[0],
            dst: LAN6[1],
            vni: VXLAN_VNI,
            overhead: VXLAN6_OVERHEAD,
          },
        });
      }
    }
  });

  it('S21: S5 over IPv6', async () => {
    const { there } = await judgeServiceCall({
      caller: 'pod1',
      address: POD1,
      sourcePort: 41021,
      to: { address: SERVICE, port: 8080 },
      service: 'default/nginx-pod2',
      pod: 'pod2',
      endpoint: POD2,
      ways: await roundTrip(encap, 'pod1', 'pod2'),
    });
    expectAtNat(there[0]);
  });

  it('S21: a packet that its source fragments, which nodes reassemble and fragment again', async () => {
    const scene = await observe(
      [podEnd('pod1'), hostEnd('pod1'), ...betweenNodes6(encap), hostEnd('pod3'), podEnd('pod3')],
      async () => expect(await ping('pod1', POD3, 1, ['-s', '2000'])).toBe(1),
    );
    judgeFragments(scene);
    const flow = judgeFlow(scene, betweenPods('icmpv6', 'pod1', 'pod3'));
    expect(flow).toMatchObject({
      packets: { original: '1', reply: '1' },
      bytes: { original: '2048', reply: '2048' },
      mtu: { largest: 2048, verdict: 'fragments' },
    });
    for (const { verdict } of scene.paths) expect(verdict).toBe('delivered');
  });

  it('S21: a first packet asks for its neighbour, which is of no flow', async () => {
    await runIn('pod1', 'ip', ['-6', 'neigh', 'flush', 'dev', 'eth0']);
    const scene = await observe([podEnd('pod1'), hostEnd('pod1')], async () =>
      expect(await ping('pod1', POD2, 1)).toBe(1),
    );
    const types = scene.arpPaths
      .filter(({ hops }) => hops.some(({ netns, dev }) => `${netns}/${dev}` === podEnd('pod1')))
      .map(({ flow, verdict, complete, hops }) => ({
        type: hops[0]?.tuple?.icmp?.type,
        flow,
        verdict,
        complete,
      }));
    const seen = { flow: null, verdict: 'delivered', complete: true };
    expect(types).toContainEqual({ type: 135, ...seen });
    expect(types).toContainEqual({ type: 136, ...seen });
    expect(scene.flows.length).toBe(1);
  });

  it('S21: IPv4 goes on as before', async () => {
    const scene = await observe(
      [podEnd('pod1'), hostEnd('pod1'), hostEnd('pod2'), podEnd('pod2')],
      async () => expect(await ping('pod1', ADDRESS.pod2)).toBe(2),
    );
    judgePaths(scene);
    expect(scene.flows.map(({ original }) => original.proto)).toEqual(['icmp']);
  });
}
