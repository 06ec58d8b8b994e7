import { describe, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { ADDRESS, FAR_SOURCE } from './cluster.js';
import { conntrackOf } from './conntrack.js';
import { describeInLab } from './in-lab.js';
import { inDirection, judgePaths, namesAt, route } from './judge.js';
import { judgeFlow } from './judge-flow.js';
import { missingFor } from './missing.js';
import { betweenNodes, fromClient, hostEnd, podEnd } from './place.js';
import { observe } from './scene.js';
import { http } from './traffic.js';
import { tuplesAt } from './translation.js';
import { acrossNodes, fromClientTo, intoPod, outOfPod, routed } from './way.js';

const ENCAP = 'ipip';

/**
 * A packet to a virtual server is one to this node, for its address is on kube-ipvs0. In
 * INPUT ip_vs rewrites it and sends it on itself, through OUTPUT and POSTROUTING.
 */
const BALANCED = [
  'node111 prerouting',
  'node111 input',
  'node111 output',
  'node111 postrouting',
] as const;

const missing = await missingFor({ encap: ENCAP, proxy: 'ipvs' });

describe.skipIf(missing !== null)(missing ?? 'ipvs', () =>
  describeInLab({ encap: ENCAP, proxy: 'ipvs' }, scenes),
);

function scenes(): void {
  it('S13: pod1 to a service whose endpoint is pod2', async () => {
    const caller = `${ADDRESS.pod1}:41013`;
    const service = '10.107.161.2:8080';
    const endpoint = `${ADDRESS.pod2}:80`;
    const devices = await runIn('node111', 'ip', ['-o', 'address', 'show', 'dev', 'kube-ipvs0']);
    expect(devices).toContain('10.107.161.2/32');
    const scene = await observe(
      [podEnd('pod1'), hostEnd('pod1'), hostEnd('pod2'), podEnd('pod2')],
      async () =>
        expect(await http('pod1', 41013, '10.107.161.2', 8080, 20)).toMatchObject({
          pod: 'pod2',
          peer: { address: ADDRESS.pod1, port: 41013 },
        }),
    );
    judgePaths(scene);
    judgeFlow(scene, {
      from: podEnd('pod1'),
      to: podEnd('pod2'),
      original: `tcp ${caller} > ${service}`,
      reply: `tcp ${endpoint} > ${caller}`,
      dnat: endpoint,
      service: 'default/nginx-pod2',
      src: 'pod1 (pod)',
      dst: 'pod2 (pod)',
    });
    expect(await conntrackOf('node111', 41013)).toEqual([
      { original: `tcp ${caller} > ${service}`, reply: `tcp ${endpoint} > ${caller}` },
    ]);
    for (const path of inDirection(scene, 'original')) {
      expect(route(path)).toEqual([
        ...outOfPod('pod1', hostEnd('pod1')),
        ...BALANCED,
        ...intoPod('pod2', hostEnd('pod2')),
      ]);
      expect(tuplesAt(path, 'node111', 'input')).toEqual([`tcp ${caller} > ${service}`]);
      expect(tuplesAt(path, 'node111', 'output')).toEqual([`tcp ${caller} > ${endpoint}`]);
    }
    for (const path of inDirection(scene, 'reply')) {
      // The answer is to a pod: it is forwarded, and ip_vs rewrites it on its way through.
      expect(route(path)).toEqual([
        ...outOfPod('pod2', hostEnd('pod2')),
        ...routed('node111'),
        ...intoPod('pod1', hostEnd('pod1')),
      ]);
      expect(tuplesAt(path, 'node111', 'prerouting')).toEqual([`tcp ${endpoint} > ${caller}`]);
      expect(tuplesAt(path, 'node111', 'postrouting')).toEqual([`tcp ${service} > ${caller}`]);
    }
  });

  it('S13: the client outside to a node port, endpoint pod3', async () => {
    const caller = `${ADDRESS.client}:41113`;
    const port = `${ADDRESS.node111}:30083`;
    const endpoint = `${ADDRESS.pod3}:80`;
    const sets = await runIn('node111', 'ipset', ['list', 'KUBE-NODE-PORT-TCP']);
    expect(sets).toContain('bitmap:port');
    expect(sets).toContain('30083');
    let seenPort = 0;
    const scene = await observe(
      [...fromClient('node111'), ...betweenNodes(ENCAP), hostEnd('pod3'), podEnd('pod3')],
      async () => {
        const answer = await http('client', 41113, ADDRESS.node111, 30083, 20);
        expect(answer).toMatchObject({ pod: 'pod3', peer: { address: FAR_SOURCE[ENCAP] } });
        seenPort = answer?.peer.port ?? 0;
      },
    );
    const masked = `${FAR_SOURCE[ENCAP]}:${seenPort}`;
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
    for (const path of inDirection(scene, 'original')) {
      expect(route(path)).toEqual([
        ...fromClientTo('node111'),
        ...BALANCED,
        ...(await acrossNodes(ENCAP, 'node111', 'node112')),
        ...routed('node112'),
        ...intoPod('pod3', hostEnd('pod3')),
      ]);
      expect(tuplesAt(path, 'node111', 'postrouting').slice(0, 2)).toEqual([
        `tcp ${caller} > ${endpoint}`,
        `tcp ${masked} > ${endpoint}`,
      ]);
    }
    for (const path of inDirection(scene, 'reply')) {
      expect(namesAt(path, 'client/eth0')).toEqual([`${port} > ${caller}`]);
    }
  });
}
