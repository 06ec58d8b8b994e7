import type { PathRecord } from 'hopscope-protocol';
import { expect, it } from 'vitest';
import { portmapPlugin } from '../../../src/lab/host-ports.js';
import { runIn } from '../../../src/lab/run-command.js';
import { labState } from '../../../src/lab/state.js';
import { ADDRESS, LAN } from '../cluster.js';
import { conntrackOf } from '../conntrack.js';
import { inDirection, judgePaths, namesAt, route } from '../judge.js';
import { hostEnd, podEnd } from '../place.js';
import { roundTrip } from '../round-trip.js';
import { observe } from '../scene.js';
import { judgeServiceCall } from '../service-call.js';
import { http } from '../traffic.js';
import { tuplesAt } from '../translation.js';
import { intoPod, outOfPod, routed } from '../way.js';

const ENDPOINT = `${ADDRESS.pod2}:80`;
const POD2_DEVICES = [hostEnd('pod2'), podEnd('pod2')];
/** What the plugin marks a packet with whose answer would not come back by itself. */
const HAIRPIN_MARK = 0x2000;

/** Where in a namespace a packet bears the plugin's mark, and Calico's left out. */
function markedIn(path: PathRecord, netns: string): string[] {
  const places = path.hops
    .filter((hop) => hop.netns === netns && (Number(hop.mark) & HAIRPIN_MARK) !== 0)
    .map(({ dev, stage, hook }) => (stage === 'netfilter' ? `${hook}` : `${dev} ${stage}`));
  return places.filter((place, index) => place !== places[index - 1]);
}

export function hostPortScenes(): void {
  it('S14: has its rules from the plugin', async () => {
    expect(portmapPlugin(), 'Debian package containernetworking-plugins').not.toBeNull();
    const backend = (await labState())?.iptables ?? 'nft';
    const rules = await runIn('node111', `iptables-${backend}-save`, ['-t', 'nat']);
    expect(rules).toMatch(/-A CNI-HOSTPORT-DNAT .*--dports 8088 -j CNI-DN-[0-9a-f]+/);
  });

  it('S14: the client outside to a host port', async () => {
    const { there } = await judgeServiceCall({
      caller: 'client',
      sourcePort: 41014,
      to: { address: ADDRESS.node111, port: 8088 },
      pod: 'pod2',
      ways: await roundTrip('none', 'client', 'pod2'),
    });
    for (const path of there) expect(markedIn(path, 'node111')).toEqual([]);
  });

  it('S14: a pod to its own host port', async () => {
    const caller = `${ADDRESS.pod2}:41114`;
    const port = `${LAN.node111}:8088`;
    let seenPort = 0;
    const scene = await observe(POD2_DEVICES, async () => {
      const answer = await http('pod2', 41114, LAN.node111, 8088);
      expect(answer).toMatchObject({ pod: 'pod2', peer: { address: ADDRESS.node111 } });
      seenPort = answer?.peer.port ?? 0;
    });
    const masked = `${ADDRESS.node111}:${seenPort}`;
    judgePaths(scene);
    expect(await conntrackOf('node111', 41114)).toEqual([
      { original: `tcp ${caller} > ${port}`, reply: `tcp ${ENDPOINT} > ${masked}` },
    ]);
    expect(scene.flows).toHaveLength(1);
    expect(scene.flows[0]).toMatchObject({
      original: { src: ADDRESS.pod2, sport: 41114, dst: LAN.node111, dport: 8088 },
      reply: { src: ADDRESS.pod2, sport: 80, dst: ADDRESS.node111, dport: seenPort },
      nat: {
        dnat: { dst: ADDRESS.pod2, dport: 80 },
        snat: { src: ADDRESS.node111, sport: seenPort },
      },
      src: { name: 'pod2' },
      dst: { name: 'pod2' },
    });
    expect(inDirection(scene, 'original').length).toBeGreaterThan(3);
    for (const path of inDirection(scene, 'original')) {
      expect(route(path)).toEqual([
        ...outOfPod('pod2', hostEnd('pod2')),
        ...routed('node111'),
        ...intoPod('pod2', hostEnd('pod2')),
      ]);
      expect(tuplesAt(path, 'node111', 'postrouting')).toEqual([
        `tcp ${caller} > ${ENDPOINT}`,
        `tcp ${masked} > ${ENDPOINT}`,
      ]);
    }
    expectFirstMarked(inDirection(scene, 'original'), ['prerouting', 'forward', 'postrouting']);
    for (const path of inDirection(scene, 'reply')) {
      expect(namesAt(path, podEnd('pod2'))).toEqual([
        `${ENDPOINT} > ${masked}`,
        `${port} > ${caller}`,
      ]);
      expect(markedIn(path, 'node111')).toEqual([]);
    }
  });

  it("S14: a node's process to a host port by the loopback address", async () => {
    const { there } = await judgeServiceCall({
      caller: 'node111',
      address: '127.0.0.1',
      sourcePort: 41214,
      to: { address: '127.0.0.1', port: 8088 },
      pod: 'pod2',
      masquerade: ADDRESS.node111,
      ways: await roundTrip('none', 'node111', 'pod2'),
    });
    expectFirstMarked(there, ['output', 'postrouting']);
  });
}

/** The rules of nat see a connection's first packet only, so that alone is marked. */
function expectFirstMarked(paths: readonly PathRecord[], hooks: readonly string[]): void {
  const [first, ...others] = [...paths].sort((a, b) => Number(BigInt(a.start) - BigInt(b.start)));
  expect(markedIn(first as PathRecord, 'node111')).toEqual([
    ...hooks,
    `${hostEnd('pod2').split('/')[1]} egress`,
  ]);
  expect(others.length).toBeGreaterThan(2);
  for (const path of others) expect(markedIn(path, 'node111')).toEqual([]);
}
