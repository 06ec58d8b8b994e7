import { expect, it } from 'vitest';
import { ADDRESS, type Mode, OVERHEAD } from '../cluster.js';
import { conntrackOf } from '../conntrack.js';
import { framesOf, inDirection, judgePaths, namesAt, route } from '../judge.js';
import { judgeFlow } from '../judge-flow.js';
import { betweenNodes, hostEnd, podEnd } from '../place.js';
import { observe } from '../scene.js';
import { http } from '../traffic.js';
import { rewrittenBetween, tuplesAt } from '../translation.js';
import { acrossNodes, intoPod, outOfPod, routed } from '../way.js';

export function serviceScenes(encap: Mode): void {
  it('S5: pod1 to a service whose endpoint is pod2', async () => {
    const caller = `${ADDRESS.pod1}:41005`;
    const service = '10.107.161.2:8080';
    const endpoint = `${ADDRESS.pod2}:80`;
    const scene = await observe(
      [podEnd('pod1'), hostEnd('pod1'), hostEnd('pod2'), podEnd('pod2')],
      async () =>
        expect(await http('pod1', 41005, '10.107.161.2', 8080)).toMatchObject({
          pod: 'pod2',
          peer: { address: ADDRESS.pod1, port: 41005 },
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
    expect(await conntrackOf('node111', 41005)).toEqual([
      { original: `tcp ${caller} > ${service}`, reply: `tcp ${endpoint} > ${caller}` },
    ]);
    for (const path of inDirection(scene, 'original')) {
      expect(route(path)).toEqual([
        ...outOfPod('pod1', hostEnd('pod1')),
        ...routed('node111'),
        ...intoPod('pod2', hostEnd('pod2')),
      ]);
      expect(namesAt(path, hostEnd('pod1'))).toEqual([`${caller} > ${service}`]);
      expect(tuplesAt(path, 'node111', 'prerouting')).toEqual([
        `tcp ${caller} > ${service}`,
        `tcp ${caller} > ${endpoint}`,
      ]);
      expect(namesAt(path, hostEnd('pod2'))).toEqual([`${caller} > ${endpoint}`]);
    }
    // Between mangle and filter: where the nat table is, or on a known connection conntrack.
    const [first] = inDirection(scene, 'original');
    const place = first === undefined ? null : rewrittenBetween(first, 'node111', 'prerouting');
    expect(place?.after).toBeLessThan(-100);
    expect(place?.after).toBeGreaterThan(-150);
    expect(place?.before).toBeGreaterThan(-100);
    for (const path of inDirection(scene, 'reply')) {
      expect(namesAt(path, podEnd('pod2'))).toEqual([`${endpoint} > ${caller}`]);
      expect(namesAt(path, hostEnd('pod1'))).toEqual([`${service} > ${caller}`]);
      expect(namesAt(path, podEnd('pod1'))).toEqual([`${service} > ${caller}`]);
    }
  });

  it('S6: pod1 to a service whose endpoint is pod3', async () => {
    const caller = `${ADDRESS.pod1}:41006`;
    const service = '10.107.161.3:8080';
    const endpoint = `${ADDRESS.pod3}:80`;
    const scene = await observe(
      [podEnd('pod1'), hostEnd('pod1'), ...betweenNodes(encap), hostEnd('pod3'), podEnd('pod3')],
      async () =>
        expect(await http('pod1', 41006, '10.107.161.3', 8080)).toMatchObject({
          pod: 'pod3',
          peer: { address: ADDRESS.pod1, port: 41006 },
        }),
    );
    judgePaths(scene);
    judgeFlow(scene, {
      from: podEnd('pod1'),
      to: podEnd('pod3'),
      original: `tcp ${caller} > ${service}`,
      reply: `tcp ${endpoint} > ${caller}`,
      dnat: endpoint,
      service: 'default/nginx-pod3',
      src: 'pod1 (pod)',
      dst: 'pod3 (pod)',
    });
    expect(await conntrackOf('node111', 41006)).toEqual([
      { original: `tcp ${caller} > ${service}`, reply: `tcp ${endpoint} > ${caller}` },
    ]);
    for (const path of inDirection(scene, 'original')) {
      expect(route(path)).toEqual([
        ...outOfPod('pod1', hostEnd('pod1')),
        ...routed('node111'),
        ...(await acrossNodes(encap, 'node111', 'node112')),
        ...routed('node112'),
        ...intoPod('pod3', hostEnd('pod3')),
      ]);
      expect(namesAt(path, hostEnd('pod1'))).toEqual([`${caller} > ${service}`]);
      expect(namesAt(path, 'node111/ens10')).toEqual([`${caller} > ${endpoint}`]);
      const [sent] = framesOf(path);
      const wire = framesOf(path).find(({ place }) => place === 'node111/ens10');
      const added = (wire?.len ?? 0) - (sent?.len ?? 0);
      expect(wire?.outer?.overhead ?? 0).toBe(OVERHEAD[encap]);
      if (encap === 'wireguard') expect(added - OVERHEAD[encap]).toBeLessThan(16);
      else expect(added).toBe(OVERHEAD[encap]);
    }
    for (const path of inDirection(scene, 'reply')) {
      expect(route(path)).toEqual([
        ...outOfPod('pod3', hostEnd('pod3')),
        ...routed('node112'),
        ...(await acrossNodes(encap, 'node112', 'node111')),
        ...routed('node111'),
        ...intoPod('pod1', hostEnd('pod1')),
      ]);
      expect(namesAt(path, podEnd('pod1'))).toEqual([`${service} > ${caller}`]);
    }
  });

  it('S5, S6: one flow for each connection to the service of both pods', async () => {
    const ports = [41051, 41052, 41053, 41054, 41055, 41056];
    const answered = new Map<number, string | undefined>();
    const scene = await observe([podEnd('pod1')], async () => {
      for (const port of ports) {
        answered.set(port, (await http('pod1', port, '10.107.161.255', 8080))?.pod);
      }
    });
    const said = scene.flows.map(({ original, dst, service }) => ({
      port: original.sport,
      pod: dst.name,
      service,
    }));
    expect(said.sort((a, b) => Number(a.port) - Number(b.port))).toEqual(
      ports.map((port) => ({
        port,
        pod: answered.get(port),
        service: 'default/nginx-service',
      })),
    );
  });
}
