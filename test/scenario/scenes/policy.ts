import { afterAll, beforeAll, expect, it } from 'vitest';
import { policyOff, policyOn } from '../../../src/lab/policy.js';
import { ADDRESS, type Mode } from '../cluster.js';
import { droppedByRule } from '../dropped-by-rule.js';
import { inDirection, judgePaths, route } from '../judge.js';
import { betweenPods, judgeFlow } from '../judge-flow.js';
import { chainsOf, rulesIn } from '../judge-rules.js';
import { betweenNodes, hostEnd, podEnd } from '../place.js';
import { roundTrip } from '../round-trip.js';
import { ruleCount } from '../rule-count.js';
import { observe } from '../scene.js';
import { http, ping } from '../traffic.js';
import { acrossNodes, outOfPod, routed } from '../way.js';

const DENIED = 'Drop if no policies passed packet';

export function policyScenes(encap: Mode): void {
  beforeAll(async () => {
    await policyOn();
  });
  afterAll(async () => {
    await policyOff();
  });

  it('S12: the policy lets pod1 reach TCP 80 of pod3', async () => {
    const before = await ruleCount('node112', 'filter', DENIED);
    const ways = await roundTrip(encap, 'pod1', 'pod3');
    const scene = await observe([...ways.before, ...ways.after], async () =>
      expect(await http('pod1', 41012, ADDRESS.pod3, 80)).toMatchObject({ pod: 'pod3' }),
    );
    judgePaths(scene);
    const flow = judgeFlow(scene, betweenPods('tcp', 'pod1:41012', 'pod3:80'));
    expect(flow.drops).toEqual({ original: '0', reply: '0', reasons: {} });
    expect(await ruleCount('node112', 'filter', DENIED)).toBe(before);
    const [first, ...more] = inDirection(scene, 'original');
    // The policy's chain judges a new connection and leaves its accept mark; known ones pass.
    const marks = (hook: string) =>
      first?.hops
        .filter((hop) => hop.netns === 'node112' && hop.hook === hook)
        .map((hop) => Number(hop.mark) & 0x10000);
    expect(marks('forward')?.[0]).toBe(0);
    expect(marks('forward')?.at(-1)).toBe(0x10000);
    const filter = first === undefined ? [] : rulesIn(first, 'node112', 'forward', 'filter');
    expect(chainsOf(filter)).toEqual(
      expect.arrayContaining(['cali-FORWARD', 'cali-to-wl-dispatch', 'cali-tw-cali118af4ccd16']),
    );
    expect(filter).toContainEqual(
      expect.objectContaining({
        chain: expect.stringMatching(/^cali-pi-/),
        source: {
          kind: 'NetworkPolicy',
          name: 'default/nginx-from-pod1',
          text: 'NetworkPolicy default/nginx-from-pod1, ingress rule 1',
        },
      }),
    );
    for (const path of [first, ...more]) {
      expect(path === undefined ? [] : route(path)).toEqual(ways.there);
    }
  });

  it('S12: the policy denies pod2, and its retransmissions are one flow', async () => {
    const before = await ruleCount('node112', 'filter', DENIED);
    const scene = await observe(
      [podEnd('pod2'), hostEnd('pod2'), ...betweenNodes(encap), hostEnd('pod3'), podEnd('pod3')],
      async () => expect(await http('pod2', 41112, ADDRESS.pod3, 80, 2)).toBeNull(),
    );
    judgePaths(scene);
    const flow = judgeFlow(scene, {
      ...betweenPods('tcp', 'pod2:41112', 'pod3:80'),
      verdict: 'dropped',
    });
    const tries = scene.paths.length;
    expect(tries, 'a SYN and its retransmission').toBeGreaterThan(1);
    expect((await ruleCount('node112', 'filter', DENIED)) - before).toBe(tries);
    expect(flow.drops).toEqual({
      original: String(tries),
      reply: '0',
      reasons: { NETFILTER_DROP: String(tries) },
    });
    const drop = await droppedByRule('forward', /^cali-tw-cali118af4ccd16$/, new RegExp(DENIED));
    for (const path of scene.paths) {
      expect(path.drop).toMatchObject(drop);
      expect(route(path)).toEqual([
        ...outOfPod('pod2', hostEnd('pod2')),
        ...routed('node111'),
        ...(await acrossNodes(encap, 'node111', 'node112')),
        'node112 prerouting',
        'node112 forward',
        'node112 drop',
      ]);
    }
  });

  it('S12: the policy denies what is not TCP 80', async () => {
    const scene = await observe(
      [podEnd('pod1'), hostEnd('pod1'), hostEnd('pod2'), podEnd('pod2')],
      async () => expect(await ping('pod1', ADDRESS.pod2)).toBe(0),
    );
    judgePaths(scene);
    judgeFlow(scene, { ...betweenPods('icmp', 'pod1', 'pod2'), verdict: 'dropped' });
    const drop = await droppedByRule('forward', /^cali-tw-calibd2348b4f67$/, new RegExp(DENIED));
    expect(scene.paths).toMatchObject([{ drop }, { drop }]);
  });
}
