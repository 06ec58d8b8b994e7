import type { FlowRecord, LegRecord, TupleRecord } from 'hopscope-protocol';
import { expect } from 'vitest';
import { type PodName, podNamed } from '../../src/lab/topology.js';
import { WIREGUARD_PORT } from '../../src/lab/wireguard.js';
import { type Frame, isIcmpError } from './frame.js';
import { framesOf, isSealed, packetsOf } from './judge.js';
import { podEnd } from './place.js';
import type { Scene } from './scene.js';
import type { CapturedFrame } from './tcpdump-text.js';

/** What must be said of the one connection of a scene. */
export interface Connection {
  /** Devices on which its two ends send, `netns/device`. */
  readonly from: string;
  readonly to: string;
  /** `tcp 10.0.0.1:40000 > 10.0.0.2:80`, ports only where there are any. */
  readonly original: string;
  readonly reply: string | null;
  readonly dnat?: string;
  readonly snat?: string;
  readonly service?: string;
  /** `pod1 (pod)`. */
  readonly src: string;
  readonly dst: string;
  readonly verdict?: FlowRecord['verdict'];
}

/** A pod, and its port where the protocol has ports. */
type PodEndpoint = PodName | `${PodName}:${number}`;

/** Two pods that speak to each other, and nobody translates it. */
export function betweenPods(
  protocol: 'icmp' | 'icmpv6' | 'tcp' | 'udp',
  from: PodEndpoint,
  to: PodEndpoint,
): Connection {
  const side = (endpoint: PodEndpoint) => {
    const [name, port] = endpoint.split(':') as [PodName, string?];
    const { ip, ip6 } = podNamed(name);
    const address = protocol === 'icmpv6' ? ip6 : ip;
    return { end: podEnd(name), text: port ? `${address}:${port}` : address, is: `${name} (pod)` };
  };
  const source = side(from);
  const target = side(to);
  return {
    from: source.end,
    to: target.end,
    original: `${protocol} ${source.text} > ${target.text}`,
    reply: `${protocol} ${target.text} > ${source.text}`,
    src: source.is,
    dst: target.is,
  };
}

interface Direction {
  readonly packets: string;
  readonly bytes: string;
  /** `place stage: packets, bytes`. */
  readonly legs: readonly string[];
}

/** Checks that the scene has one flow record, and that it says what tcpdump saw. */
export function judgeFlow(
  scene: Scene,
  connection: Connection,
  { offloaded = false }: { readonly offloaded?: boolean } = {},
): FlowRecord {
  // A handshake or a keepalive of the tunnel may come at any time, and is its own.
  const flows = scene.flows.filter(({ original }) => original.dport !== WIREGUARD_PORT.ipv4);
  expect(flows.map(({ original }) => tupleText(original))).toEqual([connection.original]);
  const flow = flows[0] as FlowRecord;
  const { nat } = flow;
  expect({
    original: tupleText(flow.original),
    reply: flow.reply === null ? null : tupleText(flow.reply),
    dnat: nat.dnat === null ? undefined : endText(nat.dnat.dst, nat.dnat.dport),
    snat: nat.snat === null ? undefined : endText(nat.snat.src, nat.snat.sport),
    service: flow.service ?? undefined,
    src: `${flow.src.name} (${flow.src.kind})`,
    dst: `${flow.dst.name} (${flow.dst.kind})`,
    verdict: flow.verdict,
    lost: flow.lost,
  }).toEqual({
    original: connection.original,
    reply: connection.reply,
    dnat: connection.dnat,
    snat: connection.snat,
    service: connection.service,
    src: connection.src,
    dst: connection.dst,
    verdict: connection.verdict ?? 'delivered',
    lost: '0',
  });
  const readable = scene.captured.filter(({ frame }) => !isSealed(frame));
  const sealed = new Set(
    scene.captured.filter(({ frame }) => isSealed(frame)).map(({ frame }) => frame.place),
  );
  // An error is of the flow, but none of its packets.
  const packets = packetsOf(readable).filter(
    ({ frames }) => !frames.some(({ frame }) => isIcmpError(frame)),
  );
  const original = packets.filter(({ frames }) => frames[0]?.frame.place === connection.from);
  const reply = packets.filter(({ frames }) => frames[0]?.frame.place === connection.to);
  expect(original.length + reply.length).toBe(packets.length);
  expect(said(flow, 'original', sealed)).toEqual(captured(original));
  expect(said(flow, 'reply', sealed)).toEqual(captured(reply));
  expect(outersSaid(flow)).toEqual(outersCaptured(scene.captured));
  // Of a packet that a device will cut into segments, the largest of them counts.
  if (!offloaded)
    expect(flow.mtu.largest).toBe(Math.max(...packets.map(({ frames }) => wholeBytes(frames))));
  // An identifier holds for one run of the daemon, and each command is one.
  const ids = new Set(
    scene.paths.filter((path) => !framesOf(path).every(isSealed)).map((path) => path.flow),
  );
  expect(ids.size).toBe(1);
  expect(ids).not.toContain(null);
  return flow;
}

function captured(packets: readonly { frames: readonly CapturedFrame[] }[]): Direction {
  const legs = new Map<string, { packets: number; bytes: number }>();
  let bytes = 0;
  for (const { frames } of packets) {
    bytes += wholeBytes(frames);
    for (const { frame, ipBytes } of frames) {
      const key = `${frame.place} ${frame.stage}`;
      const leg = legs.get(key) ?? { packets: 0, bytes: 0 };
      legs.set(key, { packets: leg.packets + 1, bytes: leg.bytes + (ipBytes ?? 0) });
    }
  }
  return {
    packets: String(packets.length),
    bytes: String(bytes),
    legs: [...legs].map(([key, leg]) => `${key}: ${leg.packets}, ${leg.bytes}`),
  };
}

const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
/** RFC 8200, 4.5. */
const IPV6_FRAGMENT_HEADER = 8;

/** Of a packet as its source sent it, also when that was in fragments. */
function wholeBytes(frames: readonly CapturedFrame[]): number {
  const [first] = frames;
  if (first === undefined || first.frame.fragmentOffset === null) return first?.ipBytes ?? 0;
  const { place, stage, src } = first.frame;
  const isIpv6 = src.includes(':');
  const header = isIpv6 ? IPV6_HEADER : IPV4_HEADER;
  const ofFragment = isIpv6 ? IPV6_HEADER + IPV6_FRAGMENT_HEADER : IPV4_HEADER;
  return frames
    .filter(({ frame }) => frame.place === place && frame.stage === stage)
    .reduce((sum, { ipBytes }) => sum + (ipBytes ?? 0) - ofFragment, header);
}

function said(
  flow: FlowRecord,
  direction: 'original' | 'reply',
  sealed: ReadonlySet<string>,
): Direction {
  const isDevice = ({ stage }: LegRecord): boolean => stage === 'egress' || stage === 'ingress';
  return {
    packets: flow.packets[direction],
    bytes: flow.bytes[direction],
    legs: flow.legs
      .filter((leg) => leg.direction === direction && isDevice(leg))
      .filter((leg) => !sealed.has(`${leg.netns}/${leg.dev}`))
      .map((leg) => `${leg.netns}/${leg.dev} ${leg.stage}: ${leg.packets}, ${leg.bytes}`),
  };
}

function outersSaid(flow: FlowRecord): string[] {
  return flow.encapsulation
    .map((e) => `${e.type} ${e.src} > ${e.dst} vni ${e.vni} overhead ${e.overhead}`)
    .sort();
}

function outersCaptured(frames: readonly CapturedFrame[]): string[] {
  const texts = frames.flatMap(({ frame }: { frame: Frame }) => {
    const { outer, src, dst } = frame;
    if (isSealed(frame)) return [`wireguard ${src} > ${dst} vni null overhead 60`];
    return outer === null
      ? []
      : [`${outer.type} ${outer.src} > ${outer.dst} vni ${outer.vni} overhead ${outer.overhead}`];
  });
  return [...new Set(texts)].sort();
}

export function tupleText(tuple: TupleRecord): string {
  return `${tuple.proto} ${endText(tuple.src, tuple.sport)} > ${endText(tuple.dst, tuple.dport)}`;
}

function endText(address: string, port: number | null): string {
  return port === null ? address : `${address}:${port}`;
}
