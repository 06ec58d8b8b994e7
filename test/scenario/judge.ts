/**
 * Holds hopscope's records against tcpdump's: the same packets, each at the same
 * devices in the same order with the same contents, and nothing besides.
 */

import type { HopRecord, PathRecord } from 'hopscope-protocol';
import { expect } from 'vitest';
import { WIREGUARD_PORT } from '../../src/lab/wireguard.js';
import { type Frame, fragmentKey, packetKey } from './frame.js';
import { unsureRules } from './judge-rules.js';
import type { Scene } from './scene.js';
import type { CapturedFrame } from './tcpdump-text.js';
import { hasHookSteps } from './way.js';

/** A packet's frames in the order of time. */
export interface JudgedPacket {
  readonly key: string;
  readonly frames: readonly Frame[];
}

/**
 * How far apart times may be, nanoseconds: both clocks are the kernel's, but one is read
 * back through a conversion.
 */
const CLOCK_TOLERANCE_NS = 50_000_000n;
/** Names from the first difference on. */
const SHOWN = 8;

/** Compares every path with every packet captured; fails on the first difference. */
export function judgePaths(scene: Scene): void {
  judgeSealed(scene);
  const packets = packetsOf(scene.captured.filter(({ frame }) => !isSealed(frame)));
  expect(packets.length, 'tcpdump must have seen something').toBeGreaterThan(0);
  const seen = packets.map(({ key, frames }) => [key, frames.map(({ frame }) => frame)]);
  const paths = scene.paths.filter((path) => !framesOf(path).every(isSealed));
  const joined = paths.map((path): [string, Frame[]] => {
    const frames = framesOf(path).filter((frame) => !isSealed(frame));
    return [frames[0] === undefined ? 'no device' : packetKey(frames[0]), frames];
  });
  expectSame(sorted(joined), sorted(seen as [string, Frame[]][]));
  for (const path of paths) {
    expect(path.complete, described(path)).toBe(true);
    expect(path.branch, `path ${path.id}`).toBeUndefined();
    judgeTimes(path, packets);
    expect(unsureRules(path), `rules of path ${path.id}`).toEqual([]);
  }
}

/** Fails with the first difference and what follows it: the whole of both takes long to print. */
export function expectSame<T extends string | readonly [string, unknown]>(
  said: readonly T[],
  seen: readonly T[],
): void {
  const counts = `${said.length} by hopscope, ${seen.length} by tcpdump`;
  const length = Math.max(said.length, seen.length);
  for (let at = 0; at < length; at++) {
    if (nameOf(said[at]) !== nameOf(seen[at])) {
      const names = (list: readonly T[]) => list.slice(at, at + SHOWN).map(nameOf);
      expect(names(said), counts).toEqual(names(seen));
    }
    expect(said[at], counts).toEqual(seen[at]);
  }
}

function nameOf(one: string | readonly [string, unknown] | undefined): string | undefined {
  return typeof one === 'string' ? one : one?.[0];
}

/** What is to be known of a path that is not whole, where it cannot be looked at any more. */
export function described({ id, verdict, branch, drop, hops }: PathRecord): string {
  const steps = hops.map(({ netns, dev, stage, hook, len, gso }) =>
    [netns, dev, stage, hook, len, gso?.size].filter((part) => part != null).join(' '),
  );
  return [`path ${id}`, verdict, branch, drop?.reason, steps.join(', ')].join('; ');
}

function judgeTimes(
  path: PathRecord,
  packets: readonly { key: string; frames: CapturedFrame[] }[],
): void {
  const key = packetKey(framesOf(path)[0] as Frame);
  const first = packets.find((packet) => packet.key === key)?.frames[0];
  const apart = BigInt(path.start) - (first?.time ?? 0n);
  expect(apart < CLOCK_TOLERANCE_NS && apart > -CLOCK_TOLERANCE_NS, `start of ${key}`).toBe(true);
  for (const [index, { sincePrevNs }] of path.hops.entries()) {
    if (index === 0) expect(sincePrevNs).toBeNull();
    else expect(sincePrevNs).toBeGreaterThanOrEqual(0);
  }
}

function sorted(packets: readonly [string, Frame[]][]): [string, Frame[]][] {
  return [...packets].sort(([a, x], [b, y]) => {
    const left = `${a} ${x[0]?.place}`;
    const right = `${b} ${y[0]?.place}`;
    return left < right ? -1 : left > right ? 1 : 0;
  });
}

/**
 * What was captured, put together to packets, each in the order of time. Segments that a
 * device cut from a longer packet are that packet's.
 */
export function packetsOf(
  captured: readonly CapturedFrame[],
): { key: string; frames: CapturedFrame[] }[] {
  const firstFragments = new Map(
    captured
      .filter(({ frame }) => frame.fragmentOffset === 0)
      .map(({ frame }) => [fragmentKey(frame), packetKey(frame)]),
  );
  const byKey = new Map<string, CapturedFrame[]>();
  for (const one of captured) {
    const own = packetKey(one.frame);
    const key = firstFragments.get(own) ?? own;
    byKey.set(key, [...(byKey.get(key) ?? []), one]);
  }
  return withSegments([...byKey].map(([key, frames]) => ({ key, frames: frames.sort(inTime) })));
}

interface CapturedPacket {
  readonly key: string;
  readonly frames: CapturedFrame[];
}

function withSegments(packets: readonly CapturedPacket[]): CapturedPacket[] {
  return joinWith(joinWith(packets, isCutFrom), isMergedFrom);
}

/** Adds the frames of each packet that is `of` another one to that one's. */
function joinWith(
  packets: readonly CapturedPacket[],
  of: (packet: CapturedPacket, other: CapturedPacket) => boolean,
): CapturedPacket[] {
  return packets.filter((packet) => {
    const other = packets.find((one) => of(packet, one));
    other?.frames.push(...packet.frames);
    other?.frames.sort(inTime);
    return other === undefined;
  });
}

/** Whether a packet is first seen where another one that holds its bytes has been before. */
function isCutFrom(packet: CapturedPacket, whole: CapturedPacket): boolean {
  const [part, all] = [packet.frames[0], whole.frames[0]];
  const offset = offsetIn(whole, packet);
  if (offset === null || part === undefined || all === undefined) return false;
  const isLess = payloadOf(packet) < payloadOf(whole);
  return isLess && offset < payloadOf(whole) && all.time <= part.time;
}

/** Whether a packet was merged from several of which the other, seen before, is the first. */
function isMergedFrom(packet: CapturedPacket, first: CapturedPacket): boolean {
  const [merged, part] = [packet.frames[0], first.frames[0]];
  if (merged === undefined || part === undefined) return false;
  const isMore = payloadOf(packet) > payloadOf(first);
  return offsetIn(first, packet) === 0 && isMore && part.time <= merged.time;
}

/** How far after the other's first byte a packet of the same stream begins; null: it is of none. */
function offsetIn(other: CapturedPacket, packet: CapturedPacket): number | null {
  const [part, all] = [packet.frames[0]?.frame, other.frames[0]?.frame];
  if (part?.tcp?.seq == null || all?.tcp?.seq == null || part.place === all.place) return null;
  const isOfStream = part.src === all.src && part.sport === all.sport;
  return isOfStream ? (part.tcp.seq - all.tcp.seq) >>> 0 : null;
}

function payloadOf({ frames }: CapturedPacket): number {
  return frames[0]?.frame.tcp?.payload ?? 0;
}

/**
 * A frame that one device hands to another above it keeps its time stamp
 * (net_timestamp_check sets none where one is). Of two with one stamp the frame that
 * came in a tunnel, which is longer, or on the port of a bridge was first.
 */
function inTime(a: CapturedFrame, b: CapturedFrame): number {
  if (a.time !== b.time) return a.time < b.time ? -1 : 1;
  if (a.frame.len !== b.frame.len) return b.frame.len - a.frame.len;
  return Number(isBridge(a.frame)) - Number(isBridge(b.frame));
}

function isBridge({ place }: Frame): boolean {
  return place.includes('/br-');
}

/** The hops of a path that tcpdump can see as well. */
export function framesOf(path: PathRecord): Frame[] {
  return path.hops.flatMap((hop) =>
    hop.stage === 'egress' || hop.stage === 'ingress' ? [frameOf(hop, hop.stage)] : [],
  );
}

function frameOf(hop: HopRecord, stage: Frame['stage']): Frame {
  const { tuple, tcp, outer } = hop;
  const icmp = tuple?.icmp ?? null;
  const fragmentOffset = hop.fragment?.offset ?? null;
  const common = {
    place: `${hop.netns}/${hop.dev}`,
    stage,
    len: hop.len ?? -1,
    mac: hop.mac,
    outer: outer as Frame['outer'],
    src: tuple?.src ?? '',
    dst: tuple?.dst ?? '',
    ttl: hop.ttl,
    ipId: hop.ipId ?? null,
    fragmentOffset,
  };
  if ((fragmentOffset ?? 0) > 0) {
    // What hopscope knows of such a fragment from the first one, tcpdump does not.
    const proto = tuple?.proto === 'icmpv6' ? null : tuple?.proto;
    return { ...common, proto: proto as Frame['proto'], ...NO_TRANSPORT };
  }
  return {
    ...common,
    proto: tuple?.proto as Frame['proto'],
    sport: tuple?.sport ?? null,
    dport: tuple?.dport ?? null,
    icmp:
      icmp === null ? null : { type: icmp.type, id: icmp.id, seq: icmp.seq, mtu: icmp.mtu ?? null },
    tcp:
      tcp == null
        ? null
        : {
            flags: tcp.flags,
            seq: tcp.payload > 0 || /[SFR]/.test(tcp.flags) ? tcp.seq : null,
            ack: tcp.ack,
            payload: tcp.payload,
            mss: tcp.mss,
            windowScale: tcp.windowScale,
          },
  };
}

const NO_TRANSPORT = { sport: null, dport: null, icmp: null, tcp: null } as const;

/**
 * The way a packet went: devices with their direction, the netfilter hooks between
 * them by name, each once, and a drop. Not which socket took it: a raw socket's copy
 * is read whenever its process likes.
 */
export function route(path: PathRecord): string[] {
  const steps: string[] = [];
  for (const hop of path.hops) {
    if (hop.stage === 'deliver') continue;
    if (hop.stage === 'netfilter' && !hasHookSteps(hop.netns)) continue;
    const step =
      hop.stage === 'netfilter'
        ? `${hop.netns} ${hop.hook}`
        : hop.stage === 'drop'
          ? `${hop.netns} drop`
          : `${hop.netns}/${hop.dev} ${hop.stage}`;
    if (steps.at(-1) !== step) steps.push(step);
  }
  return steps;
}

export function inDirection(scene: Scene, direction: 'original' | 'reply'): PathRecord[] {
  return scene.paths.filter(
    (path) => path.direction === direction && !framesOf(path).every(isSealed),
  );
}

/** `src > dst` of a path on one device. */
export function namesAt(path: PathRecord, place: string): string[] {
  return framesOf(path)
    .filter((frame) => frame.place === place)
    .map(({ src, sport, dst, dport }) => `${src}:${sport} > ${dst}:${dport}`);
}

/** Encrypted, or of the tunnel itself: what it carries tcpdump cannot say. */
export function isSealed({ outer, proto, sport, dport }: Frame): boolean {
  const port = outer?.type === 'wireguard' ? outer.dport : proto === 'udp' ? dport : null;
  const from = outer?.type === 'wireguard' ? outer.sport : sport;
  return port === WIREGUARD_PORT.ipv4 && from === port;
}

/**
 * Of encrypted frames both see the same on each device: as many, in the same order,
 * of the same length, between the same ends.
 */
export function judgeSealed(scene: Scene): void {
  const said = scene.paths.flatMap((path) => {
    let time = BigInt(path.start);
    return path.hops.flatMap((hop) => {
      time += BigInt(hop.sincePrevNs ?? 0);
      if (hop.stage !== 'egress' && hop.stage !== 'ingress') return [];
      const frame = frameOf(hop, hop.stage);
      return isSealed(frame) && scene.places.includes(frame.place) ? [{ time, frame }] : [];
    });
  });
  const seen = scene.captured.filter(({ frame }) => isSealed(frame));
  expectSame(sealedTexts(said.filter(carries)), sealedTexts(seen.filter(carries)));
}

/** Ethernet, IPv4, UDP, and WireGuard's header with its authentication tag, bytes. */
const EMPTY_SEALED = 14 + 20 + 8 + 32;
const SEALED_BLOCK = 16;

/**
 * Whether an encrypted frame has a packet in it. What a tunnel says by itself, to keep its
 * session or to renew it, it says at any time, so also at the edge of a scene.
 */
function carries({ frame: { len } }: { readonly frame: Frame }): boolean {
  return len > EMPTY_SEALED && (len - EMPTY_SEALED) % SEALED_BLOCK === 0;
}

function sealedTexts(frames: readonly Pick<CapturedFrame, 'time' | 'frame'>[]): string[] {
  const inTime = [...frames].sort((a, b) => (a.time < b.time ? -1 : 1));
  const texts = inTime.map(({ frame: { place, stage, len, mac, ...frame } }) => {
    const { src, dst } = frame.outer ?? frame;
    return `${place} ${stage} ${len} ${mac?.src} > ${mac?.dst} ${src} > ${dst}`;
  });
  // By place; within one the order of time stays.
  return texts.sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : placeOf(a) > placeOf(b) ? 1 : 0));
}

function placeOf(text: string): string {
  return text.split(' ', 2).join(' ');
}
