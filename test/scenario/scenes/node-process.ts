import { expect, it } from 'vitest';
import { ADDRESS, FAR_SOURCE, type Mode } from '../cluster.js';
import { conntrackOf } from '../conntrack.js';
import { framesOf, inDirection, judgePaths, namesAt, route } from '../judge.js';
import { judgeFlow } from '../judge-flow.js';
import { betweenNodes, hostEnd, podEnd } from '../place.js';
import { observe } from '../scene.js';
import { http, ping } from '../traffic.js';
import { tuplesAt } from '../translation.js';
import { acrossNodes, intoPod, outOfPod, routed, sent, taken } from '../way.js';

export function nodeProcessScenes(encap: Mode): void {
  it('S3: a process of node111 to pod1', async () => {
    const scene = await observe([hostEnd('pod1'), podEnd('pod1')], async () =>
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
    for (const path of there) {
      expect(route(path)).toEqual([...sent('node111'), ...intoPod('pod1', hostEnd('pod1'))]);
    }
    for (const path of back) {
      expect(route(path)).toEqual([...outOfPod('pod1', hostEnd('pod1')), ...taken('node111')]);
    }
  });

  it('S4: a process of node111 to pod3', async () => {
    const source = FAR_SOURCE[encap];
    const scene = await observe(
      [...betweenNodes(encap), hostEnd('pod3'), podEnd('pod3')],
      async () => expect(await ping('node111', ADDRESS.pod3)).toBe(2),
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
    for (const path of inDirection(scene, 'original')) {
      expect(route(path)).toEqual([
        ...sent('node111'),
        ...(await acrossNodes(encap, 'node111', 'node112')),
        ...routed('node112'),
        ...intoPod('pod3', hostEnd('pod3')),
      ]);
    }
  });

  it('S7: a process of node111 to a service whose endpoint is pod2', async () => {
    const service = '10.107.161.2:8080';
    const endpoint = `${ADDRESS.pod2}:80`;
    let seenPort = 0;
    const scene = await observe([hostEnd('pod2'), podEnd('pod2')], async () => {
      const answer = await http('node111', 41007, '10.107.161.2', 8080);
      expect(answer).toMatchObject({ pod: 'pod2', peer: { address: ADDRESS.node111 } });
      seenPort = answer?.peer.port ?? 0;
    });
    expect(seenPort).not.toBe(41007);
    const caller = `${ADDRESS.node111}:41007`;
    const masked = `${ADDRESS.node111}:${seenPort}`;
    judgePaths(scene);
    judgeFlow(scene, {
      from: hostEnd('pod2'),
      to: podEnd('pod2'),
      original: `tcp ${caller} > ${service}`,
      reply: `tcp ${endpoint} > ${masked}`,
      dnat: endpoint,
      snat: masked,
      service: 'default/nginx-pod2',
      src: 'node111 (node)',
      dst: 'pod2 (pod)',
    });
    expect(await conntrackOf('node111', 41007)).toEqual([
      { original: `tcp ${caller} > ${service}`, reply: `tcp ${endpoint} > ${masked}` },
    ]);
    for (const path of inDirection(scene, 'original')) {
      expect(route(path)).toEqual([...sent('node111'), ...intoPod('pod2', hostEnd('pod2'))]);
      expect(tuplesAt(path, 'node111', 'output')).toEqual([
        `tcp ${caller} > ${service}`,
        `tcp ${caller} > ${endpoint}`,
      ]);
      expect(tuplesAt(path, 'node111', 'postrouting')).toEqual([
        `tcp ${caller} > ${endpoint}`,
        `tcp ${masked} > ${endpoint}`,
      ]);
      expect(namesAt(path, hostEnd('pod2'))).toEqual([`${masked} > ${endpoint}`]);
    }
    for (const path of inDirection(scene, 'reply')) {
      expect(route(path)).toEqual([...outOfPod('pod2', hostEnd('pod2')), ...taken('node111')]);
      // The translation is undone on the way in: at INPUT it is the service that answers.
      expect(tuplesAt(path, 'node111', 'prerouting')[0]).toBe(`tcp ${endpoint} > ${masked}`);
      expect(tuplesAt(path, 'node111', 'input').at(-1)).toBe(`tcp ${service} > ${caller}`);
    }
  });

  it('S8: a process of node111 to a service whose endpoint is pod3', async () => {
    const endpoint = `${ADDRESS.pod3}:80`;
    const source = FAR_SOURCE[encap];
    let seenPort = 0;
    const scene = await observe(
      [...betweenNodes(encap), hostEnd('pod3'), podEnd('pod3')],
      async () => {
        const answer = await http('node111', 41008, '10.107.161.3', 8080);
        expect(answer).toMatchObject({ pod: 'pod3', peer: { address: source } });
        seenPort = answer?.peer.port ?? 0;
      },
    );
    const [entry] = await conntrackOf('node111', 41008);
    judgePaths(scene);
    judgeFlow(scene, {
      from: betweenNodes(encap)[0] ?? '',
      to: podEnd('pod3'),
      original: entry?.original ?? '',
      reply: `tcp ${endpoint} > ${source}:${seenPort}`,
      dnat: endpoint,
      snat: `${source}:${seenPort}`,
      service: 'default/nginx-pod3',
      src: 'node111 (node)',
      dst: 'pod3 (pod)',
    });
    expect(entry?.original).toMatch(/^tcp \S+:41008 > 10\.107\.161\.3:8080$/);
    expect(entry?.reply).toBe(`tcp ${endpoint} > ${source}:${seenPort}`);
    for (const path of inDirection(scene, 'original')) {
      expect(tuplesAt(path, 'node111', 'output')[0]).toBe(entry?.original);
      const [first] = framesOf(path);
      expect(`${first?.src}:${first?.sport}`).toBe(`${source}:${seenPort}`);
    }
  });
}
