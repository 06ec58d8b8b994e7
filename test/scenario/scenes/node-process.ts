import { expect, it } from 'vitest';
import { ADDRESS, FAR_SOURCE, type Mode } from '../cluster.js';
import { inDirection, judgePaths, route } from '../judge.js';
import { judgeFlow } from '../judge-flow.js';
import { betweenNodes, hostEnd, podEnd } from '../place.js';
import { roundTrip } from '../round-trip.js';
import { observe } from '../scene.js';
import { judgeServiceCall } from '../service-call.js';
import { ping } from '../traffic.js';
import { tuplesAt } from '../translation.js';

export function nodeProcessScenes(encap: Mode): void {
  it('S3: a process of node111 to pod1', async () => {
    const ways = await roundTrip(encap, 'node111', 'pod1');
    const scene = await observe(ways.after, async () =>
      expect(await ping('node111', ADDRESS.pod1)).toBe(2),
    );
    judgePaths(scene);
    judgeFlow(scene, {
      from: hostEnd('pod1'),
      to: podEnd('pod1'),
      original: `icmp ${ADDRESS.node111} > ${ADDRESS.pod1}`,
      reply: `icmp ${ADDRESS.pod1} > ${ADDRESS.node111}`,
      src: 'node111 (node)',
      dst: 'pod1 (pod)',
    });
    const [there, back] = [inDirection(scene, 'original'), inDirection(scene, 'reply')];
    expect([there.length, back.length]).toEqual([2, 2]);
    for (const path of there) expect(route(path)).toEqual(ways.there);
    for (const path of back) expect(route(path)).toEqual(ways.back);
  });

  it('S4: a process of node111 to pod3', async () => {
    const source = FAR_SOURCE[encap];
    const ways = await roundTrip(encap, 'node111', 'pod3');
    const scene = await observe(ways.after, async () =>
      expect(await ping('node111', ADDRESS.pod3)).toBe(2),
    );
    judgePaths(scene);
    judgeFlow(scene, {
      from: betweenNodes(encap)[0] ?? '',
      to: podEnd('pod3'),
      original: `icmp ${source} > ${ADDRESS.pod3}`,
      reply: `icmp ${ADDRESS.pod3} > ${source}`,
      src: 'node111 (node)',
      dst: 'pod3 (pod)',
    });
    for (const path of inDirection(scene, 'original')) expect(route(path)).toEqual(ways.there);
    for (const path of inDirection(scene, 'reply')) expect(route(path)).toEqual(ways.back);
  });
}

export function nodeServiceScenes(encap: Mode): void {
  it('S7: a process of node111 to a service whose endpoint is pod2', async () => {
    const { back, names } = await judgeServiceCall({
      caller: 'node111',
      sourcePort: 41007,
      to: { address: '10.107.161.2', port: 8080 },
      service: 'default/nginx-pod2',
      pod: 'pod2',
      masquerade: ADDRESS.node111,
      ways: await roundTrip(encap, 'node111', 'pod2'),
    });
    expect(names.seen).not.toBe(names.caller);
    for (const path of back) {
      // The translation is undone on the way in: at INPUT it is the service that answers.
      expect(tuplesAt(path, 'node111', 'prerouting')[0]).toBe(
        `tcp ${names.endpoint} > ${names.seen}`,
      );
      expect(tuplesAt(path, 'node111', 'input').at(-1)).toBe(`tcp ${names.to} > ${names.caller}`);
    }
  });

  it('S8: a process of node111 to a service whose endpoint is pod3', async () => {
    await judgeServiceCall({
      caller: 'node111',
      sourcePort: 41008,
      to: { address: '10.107.161.3', port: 8080 },
      service: 'default/nginx-pod3',
      pod: 'pod3',
      masquerade: FAR_SOURCE[encap],
      ways: await roundTrip(encap, 'node111', 'pod3'),
    });
  });
}
