import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import type { FlowRecord } from '../../src/model/records.js';
import { ADDRESS, MODES } from './cluster.js';
import { conntrackOf } from './conntrack.js';
import { HopscopeProcess } from './hopscope-process.js';
import { describeInLab } from './in-lab.js';
import { inDirection, judgePaths, route } from './judge.js';
import { judgeFlow, tupleText } from './judge-flow.js';
import { betweenNodes, fromClient, hostEnd, podEnd } from './place.js';
import { observe, type Scene } from './scene.js';
import { http } from './traffic.js';
import { acrossNodes, fromClientTo, intoPod, outOfPod, routed, toClientFrom } from './way.js';

const PROXY = `${ADDRESS.pod2}:8081`;
const NODE_PORT = 30084;
/** Either is on every packet of the connection to the proxy, wherever it is seen. */
const TO_PROXY: readonly unknown[] = [NODE_PORT, 8081];
const SERVICE = '10.107.161.3:8080';
const CALLERS = 20;

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

describe.each(MODES)('%s', (encap) => {
  describeInLab({ encap }, () => {
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
  });
});

describeInLab({ encap: 'none' }, () => {
  it('S15: many clients at once, each linked to its own connection', async () => {
    const { right, wrong } = await linksOf(() => callers('client', ADDRESS.node111, NODE_PORT));
    expect(wrong).toEqual([]);
    expect(right.length).toBeGreaterThan(CALLERS / 2);
  });

  it('S15: many clients whose requests come in pieces, none linked to another', async () => {
    const { wrong } = await linksOf(() =>
      callers('client', ADDRESS.node111, NODE_PORT, ['pieces']),
    );
    expect(wrong).toEqual([]);
  });

  it('S15: a proxy that reads all requests before it opens anything is not guessed at', async () => {
    const proxy = spawn(
      'ip',
      [
        ...['netns', 'exec', 'pod2', process.execPath, program('hesitant-proxy.mjs')],
        ...['8090', '10.107.161.3', '8080', `${CALLERS}`],
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await once(proxy.stdout, 'data');
      const { right, wrong } = await linksOf(() => callers('pod1', ADDRESS.pod2, 8090));
      expect({ right, wrong }).toEqual({ right: [], wrong: [] });
    } finally {
      proxy.kill();
      await once(proxy, 'close');
    }
  });
});

function program(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Pairs of ports: the caller's, and the one that the proxy used for its sake. */
type Pair = readonly [caller: number, onwards: number];

async function callers(
  netns: string,
  host: string,
  port: number,
  how: readonly string[] = [],
): Promise<readonly Pair[]> {
  const args = [program('parallel-callers.mjs'), host, `${port}`, `${CALLERS}`, ...how];
  return JSON.parse(await runIn(netns, process.execPath, args)) as readonly Pair[];
}

/** The links that are seen while `traffic` runs, held against its own account. */
async function linksOf(
  traffic: () => Promise<readonly Pair[]>,
): Promise<{ right: string[]; wrong: string[] }> {
  const flows = await HopscopeProcess.ready(['flows', '--json']);
  let truth: Set<string>;
  try {
    truth = new Set((await traffic()).map(([caller, onwards]) => `${caller} ⇢ ${onwards}`));
  } finally {
    // It prints what has changed, and last all that it knows.
    await flows.stop();
  }
  expect(truth.size).toBe(CALLERS);
  const newest = new Map(flows.records<FlowRecord>().map((flow) => [flow.id, flow]));
  const right: string[] = [];
  const wrong: string[] = [];
  for (const flow of newest.values()) {
    if (flow.proxied.from === null) continue;
    const from = newest.get(flow.proxied.from);
    expect(from?.proxied.to, tupleText(flow.original)).toContain(flow.id);
    const link = `${from?.original.sport} ⇢ ${flow.original.sport}`;
    (truth.has(link) ? right : wrong).push(link);
  }
  const onwards = [...newest.values()].filter(({ service }) => service === 'default/nginx-pod3');
  expect(onwards.length, 'connections that the proxy opened').toBe(CALLERS);
  return { right, wrong };
}
