import type { FlowRecord } from 'hopscope-protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labDown } from '../../src/lab/down.js';
import { runCommand, runIn } from '../../src/lab/run-command.js';
import { WIRES } from '../../src/lab/topology.js';
import { labUp } from '../../src/lab/up.js';
import { ADDRESS } from '../scenario/cluster.js';
import type { Frame } from '../scenario/frame.js';
import { framesOf, inDirection, judgePaths, route } from '../scenario/judge.js';
import { judgeFlow, tupleText } from '../scenario/judge-flow.js';
import { hostEnd, podEnd } from '../scenario/place.js';
import { observe, type Scene, stopObserving } from '../scenario/scene.js';
import { http, ping } from '../scenario/traffic.js';
import { intoPod, outOfPod, routed, sent, taken } from '../scenario/way.js';
import { exchange, meet, side } from './peer.js';

/** The network card between the two kernels, once it is a port of the nodes' bridge. */
const SEGMENT = `${WIRES.lan}/eth0`;
const NODE = side() === 'first' ? 'node111' : 'node112';
const OTHER = side() === 'first' ? 'node112' : 'node111';
const POD = side() === 'first' ? 'pod1' : 'pod3';

const PLACES = [
  podEnd(POD),
  hostEnd(POD),
  `${NODE}/tunl0`,
  `${NODE}/ens10`,
  `${WIRES.lan}/lan-${NODE}`,
  SEGMENT,
];

const OUT = [
  ...outOfPod(POD, hostEnd(POD)),
  ...routed(NODE),
  `${NODE}/tunl0 egress`,
  ...sent(NODE),
  `${NODE}/ens10 egress`,
  `${WIRES.lan}/lan-${NODE} ingress`,
  `${SEGMENT} egress`,
];
const IN = [
  `${SEGMENT} ingress`,
  `${WIRES.lan}/lan-${NODE} egress`,
  `${NODE}/ens10 ingress`,
  ...taken(NODE),
  `${NODE}/tunl0 ingress`,
  ...routed(NODE),
  ...intoPod(POD, hostEnd(POD)),
];

/** What one kernel gives the other of a scene. */
interface Account {
  /** Every frame on the segment, as hopscope has it. */
  readonly segment: readonly Omit<Frame, 'place' | 'stage'>[];
  /** After whatever translation there was. */
  readonly connection: string;
  readonly packets: FlowRecord['packets'];
  readonly encapsulation: FlowRecord['encapsulation'];
}

/**
 * Each of two kernels has the cluster, of which it plays one node and its pods; in the
 * place of the other node's uplink the bridge has the network card that leads to the
 * other kernel, whose clock is its own.
 */
describe(`${side()} of two kernels, which is ${NODE}`, () => {
  beforeAll(async () => {
    await labUp({ encap: 'ipip' });
    await runIn(WIRES.lan, 'ip', ['link', 'del', `lan-${OTHER}`]);
    await runCommand('ip', ['link', 'set', 'eth0', 'netns', WIRES.lan]);
    await runIn(WIRES.lan, 'ip', ['link', 'set', 'eth0', 'master', 'br-lan', 'up']);
    await meet('lab');
    // Before anything counts, the nodes ask for each other's addresses.
    if (NODE === 'node111') expect(await ping('pod1', ADDRESS.pod3, 3)).toBeGreaterThan(0);
    await meet('warm');
  });
  afterAll(async () => {
    await stopObserving();
    await labDown();
  });

  it('S2: pod1 to pod3, half of the way seen by each kernel', async () => {
    const scene = await together('S2', async () => {
      expect(await ping('pod1', ADDRESS.pod3)).toBe(2);
    });
    const flow = judgeHalf(scene, {
      original: `icmp ${ADDRESS.pod1} > ${ADDRESS.pod3}`,
      reply: `icmp ${ADDRESS.pod3} > ${ADDRESS.pod1}`,
    });
    await compare('S2 account', scene, flow);
  });

  it('S6: pod1 to a service whose endpoint is pod3', async () => {
    const scene = await together('S6', async () => {
      expect(await http('pod1', 41306, '10.107.161.3', 8080)).toMatchObject({ pod: 'pod3' });
    });
    const caller = `${ADDRESS.pod1}:41306`;
    const endpoint = `${ADDRESS.pod3}:80`;
    // The translation is node111's, and node112 knows nothing of it.
    const service = { dnat: endpoint, service: 'default/nginx-pod3' };
    const flow = judgeHalf(scene, {
      original: `tcp ${caller} > ${NODE === 'node111' ? '10.107.161.3:8080' : endpoint}`,
      reply: `tcp ${endpoint} > ${caller}`,
      ...(NODE === 'node111' ? service : {}),
    });
    await compare('S6 account', scene, flow);
  });
});

/** A scene whose traffic node111 makes while both observe. */
async function together(name: string, traffic: () => Promise<void>): Promise<Scene> {
  return observe(PLACES, async () => {
    await meet(`${name} begins`);
    if (NODE === 'node111') await traffic();
    await meet(`${name} ends`);
  });
}

function judgeHalf(
  scene: Scene,
  names: { original: string; reply: string; dnat?: string; service?: string },
): FlowRecord {
  judgePaths(scene);
  const here = NODE === 'node111';
  const flow = judgeFlow(scene, {
    ...names,
    from: here ? podEnd('pod1') : SEGMENT,
    to: here ? SEGMENT : podEnd('pod3'),
    src: 'pod1 (pod)',
    dst: 'pod3 (pod)',
    // What became of the last packet: either it left this kernel or it arrived.
    ...(scene.paths.at(-1)?.verdict === 'forwarded' ? { verdict: 'forwarded' } : {}),
  });
  const [out, into] = here ? (['original', 'reply'] as const) : (['reply', 'original'] as const);
  for (const path of inDirection(scene, out)) {
    expect(route(path)).toEqual(OUT);
    expect(path.verdict).toBe('forwarded');
  }
  for (const path of inDirection(scene, into)) {
    expect(route(path)).toEqual(IN);
    expect(path.verdict).toBe('delivered');
  }
  return flow;
}

/** What left one kernel is what came to the other, and both speak of one connection. */
async function compare(name: string, scene: Scene, flow: FlowRecord): Promise<void> {
  const segment = scene.paths
    .flatMap(framesOf)
    .filter(({ place }) => place === SEGMENT)
    .map(({ place, stage, ...frame }) => frame)
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  const account: Account = {
    segment,
    connection: `${tupleText(flow.reply ?? flow.original)}`,
    packets: flow.packets,
    encapsulation: flow.encapsulation,
  };
  expect(await exchange(name, account)).toEqual(account);
}
