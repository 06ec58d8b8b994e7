import { beforeAll, beforeEach, expect, it } from 'vitest';
import { ETHERNET_MTU } from '../../../src/lab/options.js';
import { runIn } from '../../../src/lab/run-command.js';
import { podNamed } from '../../../src/lab/topology.js';
import { tunnelOf } from '../../../src/lab/tunnels.js';
import { ADDRESS, type Mode, TUNNEL } from '../cluster.js';
import { betweenNodes6 } from '../ipv6-way.js';
import { inDirection, judgePaths, route } from '../judge.js';
import { betweenPods, type Connection, judgeFlow } from '../judge-flow.js';
import { fragmentsOf, judgeFragments } from '../judge-fragments.js';
import { betweenNodes, hostEnd, podEnd } from '../place.js';
import { observe, type Scene } from '../scene.js';
import { ping, stream, udpEcho } from '../traffic.js';
import { intoPod, outOfPod } from '../way.js';

/** An echo that fills a pod's device. */
const FULL = `${ETHERNET_MTU - 28}`;
const FULL6 = `${ETHERNET_MTU - 48}`;
const POD1_6 = podNamed('pod1').ip6;
const POD3_6 = podNamed('pod3').ip6;

export function mtuScenes(encap: Mode): void {
  const tunnelMtu = tunnelOf({ encap, dualStack: true }, 'ipv4')?.mtu ?? 0;
  const tunnel6Mtu = tunnelOf({ encap, dualStack: true }, 'ipv6')?.mtu;
  const places = [
    podEnd('pod1'),
    hostEnd('pod1'),
    ...betweenNodes(encap),
    hostEnd('pod3'),
    podEnd('pod3'),
  ];
  const echo: Connection = betweenPods('icmp', 'pod1', 'pod3');

  // Each segment a packet with its own fate: none is segmented or merged in a device.
  beforeAll(async () => {
    await runIn('pod1', 'ip', ['link', 'set', 'eth0', 'gso_max_segs', '1']);
    for (const node of ['node111', 'node112']) {
      await runIn(node, 'ip', ['link', 'set', `${TUNNEL[encap]}`, 'gro_max_size', '1']);
    }
  });
  beforeEach(async () => {
    for (const pod of ['pod1', 'pod3']) {
      await runIn(pod, 'ip', ['route', 'flush', 'cache']);
      await runIn(pod, 'ip', ['-6', 'route', 'flush', 'cache']);
    }
  });

  it('S19: a packet that must not be cut is answered with the MTU', async () => {
    const scene = await observe(places, async () =>
      expect(await ping('pod1', ADDRESS.pod3, 1, ['-M', 'do', '-s', FULL])).toBe(0),
    );
    judgePaths(scene);
    const flow = judgeFlow(scene, { ...echo, to: 'nowhere', verdict: 'dropped' });
    expect(flow).toMatchObject({
      packets: { original: '1', reply: '0' },
      mtu: { path: tunnelMtu, largest: ETHERNET_MTU, verdict: 'pmtu' },
      drops: { original: '1', reply: '0', reasons: { PKT_TOO_BIG: '1' } },
    });
    judgeRefusal(scene, {
      src: ADDRESS.node111,
      icmp: { type: 3, code: 4, mtu: tunnelMtu },
      refusedIn: /^ip_forward/,
    });
    expect(await runIn('pod1', 'ip', ['route', 'get', ADDRESS.pod3])).toContain(`mtu ${tunnelMtu}`);
  });

  it('S19: TCP finds the segment that fits', async () => {
    const bytes = 100_000;
    const scene = await observe(places, async () =>
      expect(
        await stream(
          { netns: 'pod1', port: 41901 },
          { netns: 'pod3', address: ADDRESS.pod3, port: 5001 },
          bytes,
        ),
      ).toBe(bytes),
    );
    judgePaths(scene);
    const flow = judgeFlow(scene, {
      ...echo,
      original: `tcp ${ADDRESS.pod1}:41901 > ${ADDRESS.pod3}:5001`,
      reply: `tcp ${ADDRESS.pod3}:5001 > ${ADDRESS.pod1}:41901`,
    });
    const options = 12;
    const segments = inDirection(scene, 'original').filter(
      ({ hops }) => (hops[0]?.tcp?.payload ?? 0) > 0,
    );
    const arrived = segments.filter(({ hops }) =>
      hops.some(({ netns, stage }) => netns === 'pod3' && stage === 'ingress'),
    );
    const refused = segments.filter((path) => !arrived.includes(path));
    expect(refused.length).toBeGreaterThan(0);
    // Sent again although it had arrived: the receiver drops it, with reasons of its own.
    for (const { verdict, drop } of arrived) {
      if (verdict === 'dropped') expect(drop?.reason).toMatch(/^TCP_/);
      else expect(verdict).toBe('delivered');
    }
    for (const { hops, drop } of refused) {
      // A device sees the frame, a hook what is in it.
      const header = hops[0]?.mac === null ? 0 : 14;
      expect(hops[0]?.len, JSON.stringify([drop, hops])).toBe(ETHERNET_MTU + header);
      expect(drop).toMatchObject({ reason: 'PKT_TOO_BIG' });
    }
    const longest = Math.max(...arrived.map(({ hops }) => hops[0]?.tcp?.payload ?? 0));
    expect(longest + options).toBe(tunnelMtu - 40);
    const errors = scene.paths.filter(({ hops }) => hops[0]?.tuple?.proto === 'icmp');
    expect(errors.length).toBe(refused.length);
    for (const { flow: id, hops } of errors) {
      expect(id).toBe(segments[0]?.flow);
      expect(hops[0]?.ct?.state ?? 'related').toBe('related');
      expect(hops[0]?.tuple?.icmp).toMatchObject({ type: 3, code: 4, mtu: tunnelMtu });
    }
    expect(flow).toMatchObject({
      mtu: { path: tunnelMtu, largest: ETHERNET_MTU, verdict: 'pmtu' },
      drops: { reasons: { PKT_TOO_BIG: `${refused.length}` } },
    });
    const again = arrived.filter(({ verdict }) => verdict === 'dropped');
    expect(flow.drops.original).toBe(`${refused.length + again.length}`);
  });

  it('S19: a packet that may be cut arrives in fragments', async () => {
    const scene = await observe(places, async () =>
      expect(await ping('pod1', ADDRESS.pod3, 2, ['-M', 'dont', '-s', FULL])).toBe(2),
    );
    judgeFragments(scene);
    const flow = judgeFlow(scene, echo);
    expect(flow).toMatchObject({
      packets: { original: '2', reply: '2' },
      bytes: { original: `${2 * ETHERNET_MTU}`, reply: `${2 * ETHERNET_MTU}` },
      mtu: { path: tunnelMtu, largest: ETHERNET_MTU, verdict: 'fragments' },
      drops: { original: '0', reply: '0' },
    });
    for (const path of scene.paths) expect(path.verdict, JSON.stringify(path)).toBe('delivered');
    // Conntrack of the other node puts them together, so they are cut once more.
    const fragments = fragmentsOf(scene);
    expect(fragments.length).toBe(8);
    for (const { flow: id, hops } of fragments) {
      expect(id).toBe(scene.paths[0]?.flow);
      expect(hops.some(({ fragment }) => (fragment?.offset ?? 0) > 0)).toBe(true);
    }
    const cutAt = inDirection(scene, 'original')
      .filter(({ branch }) => branch === undefined)
      .map(({ hops }) => hops.find(({ fragment }) => fragment != null));
    expect(cutAt.map((hop) => [`${hop?.netns}/${hop?.dev}`, hop?.fragment])).toEqual(
      cutAt.map(() => [`node111/${TUNNEL[encap]}`, { offset: 0, more: true }]),
    );
  });

  it('S19: a datagram that its source cuts', async () => {
    const text = 'hopscope'.repeat(400);
    const scene = await observe(places, async () =>
      expect(await udpEcho('pod1', 41902, ADDRESS.pod3, text)).toBe(text),
    );
    judgeFragments(scene);
    const flow = judgeFlow(scene, {
      ...echo,
      original: `udp ${ADDRESS.pod1}:41902 > ${ADDRESS.pod3}:5353`,
      reply: `udp ${ADDRESS.pod3}:5353 > ${ADDRESS.pod1}:41902`,
    });
    expect(flow.mtu.verdict).toBe('fragments');
    for (const path of scene.paths) expect(path.verdict, JSON.stringify(path)).toBe('delivered');
  });

  if (tunnel6Mtu === undefined) return;

  it('S19, S21: over IPv6 no node fragments', async () => {
    const scene = await observe(
      [podEnd('pod1'), hostEnd('pod1'), ...betweenNodes6(encap)],
      async () => expect(await ping('pod1', POD3_6, 1, ['-M', 'do', '-s', FULL6])).toBe(0),
    );
    judgePaths(scene);
    const flow = judgeFlow(scene, {
      ...echo,
      to: 'nowhere',
      original: `icmpv6 ${POD1_6} > ${POD3_6}`,
      reply: `icmpv6 ${POD3_6} > ${POD1_6}`,
      verdict: 'dropped',
    });
    expect(flow.mtu).toMatchObject({ path: tunnel6Mtu, largest: ETHERNET_MTU, verdict: 'pmtu' });
    judgeRefusal(scene, {
      src: null,
      icmp: { type: 2, code: 0, mtu: tunnel6Mtu },
      refusedIn: /^ip6_forward/,
    });
  });
}

/** The node's routing lets the packet go, and its answer is of the same flow. */
function judgeRefusal(
  scene: Scene,
  {
    src,
    icmp,
    refusedIn,
  }: { readonly src: string | null; readonly icmp: object; readonly refusedIn: RegExp },
): void {
  const [refused, answer, ...more] = [...scene.paths].sort((a, b) => (a.start < b.start ? -1 : 1));
  expect(more).toEqual([]);
  expect(refused && route(refused)).toEqual([
    ...outOfPod('pod1', hostEnd('pod1')),
    'node111 prerouting',
    'node111 drop',
  ]);
  expect(refused).toMatchObject({
    direction: 'original',
    verdict: 'dropped',
    drop: { reason: 'PKT_TOO_BIG', location: expect.stringMatching(refusedIn), hook: null },
  });
  expect(answer && route(answer)).toEqual([
    'node111 output',
    'node111 postrouting',
    ...intoPod('pod1', hostEnd('pod1')),
  ]);
  expect(answer).toMatchObject({
    flow: refused?.flow,
    direction: 'reply',
    verdict: 'delivered',
    drop: null,
  });
  const [first] = answer?.hops ?? [];
  if (src !== null) expect(first?.tuple?.src).toBe(src);
  expect(first).toMatchObject({ ct: { state: 'related' }, tuple: { icmp } });
}
