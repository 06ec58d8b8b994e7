import { expect, it } from 'vitest';
import { runIn } from '../../../src/lab/run-command.js';
import { ADDRESS, MAC, type Mode } from '../cluster.js';
import { framesOf, inDirection, judgePaths, route } from '../judge.js';
import { betweenPods, judgeFlow } from '../judge-flow.js';
import { hostEnd, podEnd } from '../place.js';
import { roundTrip } from '../round-trip.js';
import { observe } from '../scene.js';
import { ping } from '../traffic.js';
import { outOfPod } from '../way.js';
import { otherNodeScene } from './other-node.js';

export function podToPodScenes(encap: Mode): void {
  it('S1: pod1 to pod2 on the same node', async () => {
    const ways = await roundTrip(encap, 'pod1', 'pod2');
    const scene = await observe([...ways.before, ...ways.after], async () =>
      expect(await ping('pod1', ADDRESS.pod2)).toBe(2),
    );
    judgePaths(scene);
    const flow = judgeFlow(scene, betweenPods('icmp', 'pod1', 'pod2'));
    expect(flow.encapsulation).toEqual([]);
    for (const path of inDirection(scene, 'original')) {
      expect(route(path)).toEqual(ways.there);
      expect(framesOf(path).map(({ len, ttl, mac }) => [len, ttl, mac?.src, mac?.dst])).toEqual([
        [98, 64, MAC.pod1, MAC.gateway],
        [98, 64, MAC.pod1, MAC.gateway],
        [98, 63, MAC.gateway, MAC.pod2],
        [98, 63, MAC.gateway, MAC.pod2],
      ]);
    }
  });

  otherNodeScene(encap);

  it('S17: the ARP exchange before a first packet', async () => {
    await runIn('pod1', 'ip', ['neigh', 'flush', 'dev', 'eth0']);
    const scene = await observe(
      [podEnd('pod1'), hostEnd('pod1')],
      async () => expect(await ping('pod1', ADDRESS.pod2, 1)).toBe(1),
      ({ frame }) => frame.proto === 'arp' && [frame.src, frame.dst].includes(ADDRESS.gateway),
    );
    // Other pods may ask for the same address meanwhile.
    const [request, answer, ...more] = scene.arpPaths.filter((path) =>
      framesOf(path).some(
        ({ place, src, dst }) => place === podEnd('pod1') && [src, dst].includes(ADDRESS.gateway),
      ),
    );
    expect(more).toEqual([]);
    expect(request).toMatchObject({ verdict: 'delivered', flow: null, complete: true });
    expect(answer).toMatchObject({ verdict: 'delivered', flow: null, complete: true });
    const [asked, answered] = [request, answer].map((path) => (path ? framesOf(path) : []));
    expect(
      asked?.map(({ place, stage, src, dst, mac }) => ({ place, stage, src, dst, mac })),
    ).toEqual(
      [
        { place: podEnd('pod1'), stage: 'egress' },
        { place: hostEnd('pod1'), stage: 'ingress' },
      ].map((at) => ({
        ...at,
        src: ADDRESS.pod1,
        dst: ADDRESS.gateway,
        mac: { src: MAC.pod1, dst: 'ff:ff:ff:ff:ff:ff' },
      })),
    );
    expect(
      answered?.map(({ place, stage, src, dst, mac }) => ({ place, stage, src, dst, mac })),
    ).toEqual(
      [
        { place: hostEnd('pod1'), stage: 'egress' },
        { place: podEnd('pod1'), stage: 'ingress' },
      ].map((at) => ({
        ...at,
        src: ADDRESS.gateway,
        dst: ADDRESS.pod1,
        mac: { src: MAC.gateway, dst: MAC.pod1 },
      })),
    );
    // tcpdump names no receiver in an answer, the frame does.
    const inTime = [...scene.captured].sort((a, b) => (a.time < b.time ? -1 : 1));
    expect([...(asked ?? []), ...(answered ?? []).map((frame) => ({ ...frame, dst: '' }))]).toEqual(
      inTime.map(({ frame }) => frame),
    );
  });

  it('S18: pod1 to an address of its block that no pod has', async () => {
    const scene = await observe([podEnd('pod1'), hostEnd('pod1')], async () =>
      expect(await ping('pod1', ADDRESS.unassigned)).toBe(0),
    );
    judgePaths(scene);
    const flow = judgeFlow(scene, {
      from: podEnd('pod1'),
      to: 'nowhere',
      original: `icmp ${ADDRESS.pod1} > ${ADDRESS.unassigned}`,
      // Nobody answered: it is what conntrack waits for.
      reply: `icmp ${ADDRESS.unassigned} > ${ADDRESS.pod1}`,
      src: 'pod1 (pod)',
      dst: 'null (null)',
      verdict: 'dropped',
    });
    expect(scene.paths.length).toBe(2);
    for (const path of scene.paths) {
      expect(route(path)).toEqual([
        ...outOfPod('pod1', hostEnd('pod1')),
        'node111 prerouting',
        'node111 drop',
      ]);
      expect(path.verdict).toBe('dropped');
      // The kernel may have no reason of its own for a blackhole, but it has a place.
      expect(path.drop).toMatchObject({
        reason: expect.stringMatching(/^[A-Z_0-9]+$/),
        location: 'ip_error',
        hook: null,
        table: null,
        // Which route, seen by where the packet ended.
        chain: 'route',
        rule: expect.stringMatching(/^blackhole 10\.244\.\d+\.\d+\/26$/),
      });
      expect(path.hops.at(-2)?.rules?.at(-1)).toMatchObject({
        ...{ backend: 'route', table: 'main', verdict: 'blackhole', certainty: 'seen' },
      });
    }
    const reason = scene.paths[0]?.drop?.reason ?? '';
    expect(flow.drops).toEqual({ original: '2', reply: '0', reasons: { [reason]: '2' } });
    expect(flow.packets.reply).toBe('0');
  });
}
