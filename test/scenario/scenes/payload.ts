import type { HopRecord, PathRecord } from 'hopscope-protocol';
import { expect, it } from 'vitest';
import { ADDRESS, type Mode, POD_MTU } from '../cluster.js';
import { judgePaths, route } from '../judge.js';
import { betweenPods, judgeFlow } from '../judge-flow.js';
import { fragmentsOf, judgeFragments } from '../judge-fragments.js';
import { roundTrip } from '../round-trip.js';
import { observe } from '../scene.js';
import { stream, udpEcho } from '../traffic.js';

export function payloadScenes(encap: Mode): void {
  // A try that failed leaves its port in use for a while.
  let port = 41202;

  it('UDP between pods of two nodes', async () => {
    const ways = await roundTrip(encap, 'pod1', 'pod3');
    const scene = await observe([...ways.before, ...ways.after], async () =>
      expect(await udpEcho('pod1', 41201, ADDRESS.pod3, 'hopscope')).toBe('hopscope'),
    );
    judgePaths(scene);
    judgeFlow(scene, betweenPods('udp', 'pod1:41201', 'pod3:5353'));
  });

  it('a TCP stream whose segments are cut by the device', async () => {
    const bytes = 120_000;
    const ways = await roundTrip(encap, 'pod1', 'pod3');
    port += 1;
    const scene = await observe([...ways.before, ...ways.after], async () =>
      expect(
        await stream(
          { netns: 'pod1', port },
          { netns: 'pod3', address: ADDRESS.pod3, port: 5001 },
          bytes,
        ),
      ).toBe(bytes),
    );
    // WireGuard is given what is too long for it, and cuts it itself.
    if (encap === 'wireguard') judgeFragments(scene);
    else judgePaths(scene);
    for (const fragment of fragmentsOf(scene)) expect(arrival(fragment)).toEqual(ways.there);
    const flow = judgeFlow(scene, betweenPods('tcp', `pod1:${port}`, 'pod3:5001'), {
      offloaded: true,
    });
    expect(Number(flow.bytes.original)).toBeGreaterThan(bytes);
    // Longer than the device's MTU, and cut to what fits: no fault.
    const long = scene.paths.filter(({ hops }) => hops.some(({ gso }) => gso !== null));
    expect(long.length).toBeGreaterThan(0);
    const sizes = long.flatMap(({ hops }) => hops.flatMap(({ gso }) => gso?.size ?? []));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(POD_MTU[encap] - 40);
    // WireGuard's device takes a long one apart, so after it there is none. Receive offload
    // makes a long one of short ones, on their way.
    for (const { hops } of encap === 'wireguard' ? [] : long) {
      const devices = hops.filter(isAtDevice);
      const first = devices.findIndex(({ gso }) => gso !== null);
      for (const { gso } of devices.slice(first)) expect(gso).not.toBeNull();
    }
    expect(flow.mtu).toEqual({
      path: POD_MTU[encap],
      largest: POD_MTU[encap],
      verdict: 'fits',
    });
  });
}

/** A way without its end where the receiver's TCP had no use for what arrived, late or twice. */
function arrival(path: PathRecord): string[] {
  const steps = route(path);
  return path.drop?.reason?.startsWith('TCP_') ? steps.slice(0, -1) : steps;
}

function isAtDevice({ stage }: HopRecord): boolean {
  return stage === 'egress' || stage === 'ingress';
}
