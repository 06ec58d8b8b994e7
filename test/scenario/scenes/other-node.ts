import { expect, it } from 'vitest';
import { ADDRESS, LAN, MAC, type Mode, OVERHEAD, POD_MTU } from '../cluster.js';
import { framesOf, inDirection, judgePaths, route } from '../judge.js';
import { betweenPods, judgeFlow } from '../judge-flow.js';
import { roundTrip } from '../round-trip.js';
import { observe } from '../scene.js';
import { ping } from '../traffic.js';

/** Scenario of a packet to the other node. */
const ACROSS: Readonly<Record<Mode, string>> = {
  ipip: 'S2',
  vxlan: 'S20',
  wireguard: 'S20',
  none: 'S16',
};

/** What a tunnel's outer header has besides addresses. */
const OUTER: Readonly<Record<Exclude<Mode, 'none'>, object>> = {
  ipip: { sport: null, dport: null, vni: null },
  vxlan: { dport: 4789, vni: 4096 },
  wireguard: { sport: 51820, dport: 51820, vni: null },
};
/** An 84-byte packet is padded to a multiple of 16 before it is encrypted. */
const PADDING: Readonly<Record<Mode, number>> = { ipip: 0, vxlan: 0, wireguard: 12, none: 0 };

/** Of the two `ens10` on the way: whether the frame is from node111, and whether to node112. */
const BRIDGED = [
  [true, true],
  [true, true],
];
const ROUTED = [
  [true, false],
  [false, true],
];

interface Segment {
  /** Of the pods' devices, bytes, where it is not what `encap` leaves. */
  readonly podMtu?: number;
  /** Whether the nodes have a router between them. */
  readonly routed?: boolean;
}

/** One pod to another on the other node. */
export function otherNodeScene(encap: Mode, { podMtu, routed = false }: Segment = {}): void {
  it(`${ACROSS[encap]}: pod1 to pod3 on the other node`, async () => {
    const ways = await roundTrip(encap, 'pod1', 'pod3');
    const scene = await observe([...ways.before, ...ways.after], async () =>
      expect(await ping('pod1', ADDRESS.pod3)).toBe(2),
    );
    judgePaths(scene);
    const flow = judgeFlow(scene, betweenPods('icmp', 'pod1', 'pod3'));
    expect(flow.mtu).toEqual({ path: podMtu ?? POD_MTU[encap], largest: 84, verdict: 'fits' });
    const there = inDirection(scene, 'original');
    const back = inDirection(scene, 'reply');
    expect([there.length, back.length]).toEqual([2, 2]);
    for (const path of there) expect(route(path)).toEqual(ways.there);
    for (const path of back) expect(route(path)).toEqual(ways.back);
    for (const path of there) {
      const wire = framesOf(path).filter(({ place }) => place.endsWith('/ens10'));
      const macs = wire.map(({ mac }) => [mac?.src === MAC.node111, mac?.dst === MAC.node112]);
      expect(macs).toEqual(routed ? ROUTED : BRIDGED);
      for (const frame of wire) {
        expect(frame).toMatchObject({
          len: 98 + OVERHEAD[encap] + PADDING[encap],
          src: ADDRESS.pod1,
          dst: ADDRESS.pod3,
          ttl: 63,
        });
        expect(frame.outer).toEqual(
          encap === 'none'
            ? null
            : expect.objectContaining({
                type: encap,
                src: LAN.node111,
                dst: LAN.node112,
                overhead: OVERHEAD[encap],
                ...OUTER[encap],
              }),
        );
      }
    }
  });
}
