import { expect, it } from 'vitest';
import type { PathRecord } from '../../../src/model/records.js';
import { ADDRESS, FAR_SOURCE, type Mode } from '../cluster.js';
import { conntrackOf } from '../conntrack.js';
import { inDirection, judgePaths, namesAt, route } from '../judge.js';
import { judgeFlow, NETFILTER } from '../judge-flow.js';
import { betweenNodes, fromClient, hostEnd, podEnd } from '../place.js';
import { ruleCount } from '../rule-count.js';
import { observe } from '../scene.js';
import { http } from '../traffic.js';
import { tuplesAt } from '../translation.js';
import { acrossNodes, fromClientTo, intoPod, outOfPod, routed, toClientFrom } from '../way.js';

export function nodePortScenes(encap: Mode): void {
  it('S9: the client outside to a node port, endpoint pod2', async () => {
    const caller = `${ADDRESS.client}:41009`;
    const port = `${ADDRESS.node111}:30082`;
    const endpoint = `${ADDRESS.pod2}:80`;
    let seenPort = 0;
    const scene = await observe(
      [...fromClient('node111'), hostEnd('pod2'), podEnd('pod2')],
      async () => {
        const answer = await http('client', 41009, ADDRESS.node111, 30082);
        expect(answer).toMatchObject({ pod: 'pod2', peer: { address: ADDRESS.node111 } });
        seenPort = answer?.peer.port ?? 0;
      },
    );
    const masked = `${ADDRESS.node111}:${seenPort}`;
    expect(seenPort).not.toBe(41009);
    judgePaths(scene);
    judgeFlow(scene, {
      from: 'client/eth0',
      to: podEnd('pod2'),
      original: `tcp ${caller} > ${port}`,
      reply: `tcp ${endpoint} > ${masked}`,
      dnat: endpoint,
      snat: masked,
      service: 'default/nginx-pod2',
      src: 'client (external)',
      dst: 'pod2 (pod)',
    });
    expect(await conntrackOf('node111', 41009)).toEqual([
      { original: `tcp ${caller} > ${port}`, reply: `tcp ${endpoint} > ${masked}` },
    ]);
    for (const path of inDirection(scene, 'original')) {
      expect(route(path)).toEqual([
        ...fromClientTo('node111'),
        ...routed('node111'),
        ...intoPod('pod2', hostEnd('pod2')),
      ]);
      expect(tuplesAt(path, 'node111', 'prerouting')).toEqual([
        `tcp ${caller} > ${port}`,
        `tcp ${caller} > ${endpoint}`,
      ]);
      expect(tuplesAt(path, 'node111', 'postrouting')).toEqual([
        `tcp ${caller} > ${endpoint}`,
        `tcp ${masked} > ${endpoint}`,
      ]);
    }
    for (const path of inDirection(scene, 'reply')) {
      expect(route(path)).toEqual([
        ...outOfPod('pod2', hostEnd('pod2')),
        ...routed('node111'),
        ...(await toClientFrom('node111')),
      ]);
      expect(namesAt(path, podEnd('pod2'))).toEqual([`${endpoint} > ${masked}`]);
      expect(namesAt(path, 'node111/ens9')).toEqual([`${port} > ${caller}`]);
    }
  });

  it('S10: the client outside to a node port, endpoint pod3', async () => {
    const caller = `${ADDRESS.client}:41010`;
    const port = `${ADDRESS.node111}:30083`;
    const endpoint = `${ADDRESS.pod3}:80`;
    let seenPort = 0;
    const scene = await observe(
      [...fromClient('node111'), ...betweenNodes(encap), hostEnd('pod3'), podEnd('pod3')],
      async () => {
        const answer = await http('client', 41010, ADDRESS.node111, 30083);
        expect(answer).toMatchObject({ pod: 'pod3', peer: { address: FAR_SOURCE[encap] } });
        seenPort = answer?.peer.port ?? 0;
      },
    );
    const masked = `${FAR_SOURCE[encap]}:${seenPort}`;
    judgePaths(scene);
    judgeFlow(scene, {
      from: 'client/eth0',
      to: podEnd('pod3'),
      original: `tcp ${caller} > ${port}`,
      reply: `tcp ${endpoint} > ${masked}`,
      dnat: endpoint,
      snat: masked,
      service: 'default/nginx-pod3',
      src: 'client (external)',
      dst: 'pod3 (pod)',
    });
    expect(await conntrackOf('node111', 41010)).toEqual([
      { original: `tcp ${caller} > ${port}`, reply: `tcp ${endpoint} > ${masked}` },
    ]);
    for (const path of inDirection(scene, 'original')) {
      expect(route(path)).toEqual([
        ...fromClientTo('node111'),
        ...routed('node111'),
        ...(await acrossNodes(encap, 'node111', 'node112')),
        ...routed('node112'),
        ...intoPod('pod3', hostEnd('pod3')),
      ]);
    }
    for (const path of inDirection(scene, 'reply')) {
      expect(route(path)).toEqual([
        ...outOfPod('pod3', hostEnd('pod3')),
        ...routed('node112'),
        ...(await acrossNodes(encap, 'node112', 'node111')),
        ...routed('node111'),
        ...(await toClientFrom('node111')),
      ]);
      expect(namesAt(path, 'client/eth0')).toEqual([`${port} > ${caller}`]);
    }
  });

  it('S11: externalTrafficPolicy Local with a local endpoint', async () => {
    const caller = `${ADDRESS.client}:41011`;
    const port = `${ADDRESS.node111}:30081`;
    const endpoint = `${ADDRESS.pod2}:80`;
    const scene = await observe(
      [...fromClient('node111'), hostEnd('pod2'), podEnd('pod2')],
      async () =>
        expect(await http('client', 41011, ADDRESS.node111, 30081)).toMatchObject({
          pod: 'pod2',
          peer: { address: ADDRESS.client, port: 41011 },
        }),
    );
    judgePaths(scene);
    judgeFlow(scene, {
      from: 'client/eth0',
      to: podEnd('pod2'),
      original: `tcp ${caller} > ${port}`,
      reply: `tcp ${endpoint} > ${caller}`,
      dnat: endpoint,
      service: 'default/nginx-local',
      src: 'client (external)',
      dst: 'pod2 (pod)',
    });
    expect(await conntrackOf('node111', 41011)).toEqual([
      { original: `tcp ${caller} > ${port}`, reply: `tcp ${endpoint} > ${caller}` },
    ]);
  });

  it('S11: externalTrafficPolicy Local without a local endpoint', async () => {
    const caller = `${ADDRESS.client}:41111`;
    const port = `${ADDRESS.node112}:30081`;
    const words = 'default/nginx-local has no local endpoints';
    const before = await ruleCount('node112', 'filter', words);
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
    expect((await ruleCount('node112', 'filter', words)) - before).toBe(tries);
    expect(flow.drops).toEqual({
      original: String(tries),
      reply: '0',
      reasons: { NETFILTER_DROP: String(tries) },
    });
    for (const path of scene.paths) expectDroppedAtInput(path);
  });
}

function expectDroppedAtInput(path: PathRecord): void {
  expect(path.verdict).toBe('dropped');
  expect(path.drop).toMatchObject({
    reason: 'NETFILTER_DROP',
    location: expect.stringMatching(NETFILTER),
    hook: 'input',
    table: 'filter',
  });
  expect(route(path)).toEqual([
    ...fromClientTo('node112'),
    'node112 prerouting',
    'node112 input',
    'node112 drop',
  ]);
}
