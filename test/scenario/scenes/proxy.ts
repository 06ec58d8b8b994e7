import { expect, it } from 'vitest';
import { ADDRESS, type Mode } from '../cluster.js';
import { conntrackOf } from '../conntrack.js';
import { inDirection, judgePaths, route } from '../judge.js';
import { judgeFlow } from '../judge-flow.js';
import { podEnd } from '../place.js';
import { roundTrip } from '../round-trip.js';
import { observe, type Scene } from '../scene.js';
import { http } from '../traffic.js';

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
    const toProxy = await roundTrip(encap, 'client', 'pod2');
    const fromProxy = await roundTrip(encap, 'pod2', 'pod3');
    const places = [...toProxy.before, ...toProxy.after, ...fromProxy.after];
    const scene = await observe(places, async () => {
      const answer = await http('client', 41015, ADDRESS.node111, NODE_PORT);
      expect(answer).toMatchObject({ pod: 'pod3', peer: { address: ADDRESS.pod2 } });
      onwards = `${ADDRESS.pod2}:${answer?.peer.port}`;
    });
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
    for (const path of inDirection(first, 'original')) expect(route(path)).toEqual(toProxy.there);
    for (const path of inDirection(first, 'reply')) expect(route(path)).toEqual(toProxy.back);
    for (const path of inDirection(second, 'original')) {
      expect(route(path)).toEqual(fromProxy.there);
    }
    for (const path of inDirection(second, 'reply')) expect(route(path)).toEqual(fromProxy.back);
  });
}
