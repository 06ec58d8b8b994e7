import { expect, it } from 'vitest';
import { ADDRESS, type Mode } from '../cluster.js';
import { conntrackOf } from '../conntrack.js';
import { inDirection, judgePaths, route } from '../judge.js';
import { judgeFlow } from '../judge-flow.js';
import { betweenNodes, fromClient, hostEnd, podEnd } from '../place.js';
import { observe, type Scene } from '../scene.js';
import { http } from '../traffic.js';
import { acrossNodes, fromClientTo, intoPod, outOfPod, routed, toClientFrom } from '../way.js';

const PROXY = `${ADDRESS.pod2}:8081`;
const NODE_PORT = 30084;
/** Either is on every packet of the connection to the proxy, wherever it is seen. */
const TO_PROXY: readonly unknown[] = [NODE_PORT, 8081];
const SERVICE = '10.107.161.3:8080';

interface Ports {
  readonly sport: number | null;
  readonly dport: number | null;
}

/** Of a scene with both connections of the proxy, what concerns the one or the other. */
function part(scene: Scene, first: boolean): Scene {
  const belongs = (ports: Ports | null | undefined): boolean =>
    (TO_PROXY.includes(ports?.sport) || TO_PROXY.includes(ports?.dport)) === first;
  return {
    ...scene,
    captured: scene.captured.filter(({ frame }) => belongs(frame)),
    paths: scene.paths.filter(({ hops }) => belongs(hops[0]?.tuple)),
    flows: scene.flows.filter(({ original }) => belongs(original)),
  };
}

export function proxyScenes(encap: Mode): void {
  it('S15: the client outside through the ingress proxy to a service of the other node', async () => {
    const caller = `${ADDRESS.client}:41015`;
    let onwards = '';
    const scene = await observe(
      [
        ...fromClient('node111'),
        hostEnd('pod2'),
        podEnd('pod2'),
        ...betweenNodes(encap),
        hostEnd('pod3'),
        podEnd('pod3'),
      ],
      async () => {
        const answer = await http('client', 41015, ADDRESS.node111, NODE_PORT);
        expect(answer).toMatchObject({ pod: 'pod3', peer: { address: ADDRESS.pod2 } });
        onwards = `${ADDRESS.pod2}:${answer?.peer.port}`;
      },
    );
    judgePaths(scene);
    const [entry] = await conntrackOf('node111', 41015);
    const masked = entry?.reply.split(' > ')[1] ?? '';
    expect(entry?.reply).toBe(`tcp ${PROXY} > ${masked}`);
    const [first, second] = [part(scene, true), part(scene, false)];
    const before = judgeFlow(first, {
      from: 'client/eth0',
      to: podEnd('pod2'),
      original: `tcp ${caller} > ${ADDRESS.node111}:${NODE_PORT}`,
      reply: `tcp ${PROXY} > ${masked}`,
      dnat: PROXY,
      snat: masked,
      service: 'default/ingress',
      src: 'client (external)',
      dst: 'pod2 (pod)',
    });
    const after = judgeFlow(second, {
      from: podEnd('pod2'),
      to: podEnd('pod3'),
      original: `tcp ${onwards} > ${SERVICE}`,
      reply: `tcp ${ADDRESS.pod3}:80 > ${onwards}`,
      dnat: `${ADDRESS.pod3}:80`,
      service: 'default/nginx-pod3',
      src: 'pod2 (pod)',
      dst: 'pod3 (pod)',
    });
    expect(before.proxied).toEqual({ from: null, to: [after.id] });
    expect(after.proxied).toEqual({ from: before.id, to: [] });
    for (const path of inDirection(first, 'original')) {
      expect(route(path)).toEqual([
        ...fromClientTo('node111'),
        ...routed('node111'),
        ...intoPod('pod2', hostEnd('pod2')),
      ]);
    }
    for (const path of inDirection(first, 'reply')) {
      expect(route(path)).toEqual([
        ...outOfPod('pod2', hostEnd('pod2')),
        ...routed('node111'),
        ...(await toClientFrom('node111')),
      ]);
    }
    for (const path of inDirection(second, 'original')) {
      expect(route(path)).toEqual([
        ...outOfPod('pod2', hostEnd('pod2')),
        ...routed('node111'),
        ...(await acrossNodes(encap, 'node111', 'node112')),
        ...routed('node112'),
        ...intoPod('pod3', hostEnd('pod3')),
      ]);
    }
  });
}
