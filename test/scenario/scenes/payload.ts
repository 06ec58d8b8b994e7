import { expect, it } from 'vitest';
import { ADDRESS, type Mode, POD_MTU } from '../cluster.js';
import { judgePaths, route } from '../judge.js';
import { judgeFlow } from '../judge-flow.js';
import { judgePieces, piecesOf } from '../judge-pieces.js';
import { betweenNodes, hostEnd, podEnd } from '../place.js';
import { observe } from '../scene.js';
import { stream, udpEcho } from '../traffic.js';
import { acrossNodes, intoPod, outOfPod, routed } from '../way.js';

export function payloadScenes(encap: Mode): void {
  const places = [
    podEnd('pod1'),
    hostEnd('pod1'),
    ...betweenNodes(encap),
    hostEnd('pod3'),
    podEnd('pod3'),
  ];

  it('UDP between pods of two nodes', async () => {
    const scene = await observe(places, async () =>
      expect(await udpEcho('pod1', 41201, ADDRESS.pod3, 'hopscope')).toBe('hopscope'),
    );
    judgePaths(scene);
    judgeFlow(scene, {
      from: podEnd('pod1'),
      to: podEnd('pod3'),
      original: `udp ${ADDRESS.pod1}:41201 > ${ADDRESS.pod3}:5353`,
      reply: `udp ${ADDRESS.pod3}:5353 > ${ADDRESS.pod1}:41201`,
      src: 'pod1 (pod)',
      dst: 'pod3 (pod)',
    });
  });

  it('a TCP stream whose segments are cut by the device', async () => {
    const bytes = 400_000;
    const scene = await observe(places, async () =>
      expect(
        await stream(
          { netns: 'pod1', port: 41202 },
          { netns: 'pod3', address: ADDRESS.pod3, port: 5001 },
          bytes,
        ),
      ).toBe(bytes),
    );
    // WireGuard is given what is too long for it, and cuts it itself.
    if (encap === 'wireguard') judgePieces(scene);
    else judgePaths(scene);
    const way = [
      ...outOfPod('pod1', hostEnd('pod1')),
      ...routed('node111'),
      ...(await acrossNodes(encap, 'node111', 'node112')),
      ...routed('node112'),
      ...intoPod('pod3', hostEnd('pod3')),
    ];
    for (const piece of piecesOf(scene)) expect(route(piece)).toEqual(way);
    const flow = judgeFlow(
      scene,
      {
        from: podEnd('pod1'),
        to: podEnd('pod3'),
        original: `tcp ${ADDRESS.pod1}:41202 > ${ADDRESS.pod3}:5001`,
        reply: `tcp ${ADDRESS.pod3}:5001 > ${ADDRESS.pod1}:41202`,
        src: 'pod1 (pod)',
        dst: 'pod3 (pod)',
      },
      { offloaded: true },
    );
    expect(Number(flow.bytes.original)).toBeGreaterThan(bytes);
    // Longer than the device's MTU, and cut to what fits: no fault.
    const long = scene.paths.filter(({ hops }) => hops.some(({ gso }) => gso !== null));
    expect(long.length).toBeGreaterThan(0);
    const sizes = long.flatMap(({ hops }) => hops.flatMap(({ gso }) => gso?.size ?? []));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(POD_MTU[encap] - 40);
    expect(flow.mtu).toEqual({
      path: POD_MTU[encap],
      largest: POD_MTU[encap],
      verdict: 'fits',
    });
  });
}
