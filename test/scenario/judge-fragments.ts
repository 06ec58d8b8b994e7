/**
 * Holds hopscope's records against tcpdump's where packets are cut, by a router or by the
 * device that is to send them: a fragment is a path of its own that shares with its packet
 * what was before the cut, so every frame is looked for among those of all paths.
 */

import type { PathRecord } from 'hopscope-protocol';
import { expect } from 'vitest';
import type { Frame } from './frame.js';
import { described, expectSame, framesOf, isSealed, judgeSealed, packetsOf } from './judge.js';
import type { Scene } from './scene.js';

/** Compares every frame seen with every frame captured; fails on the first difference. */
export function judgeFragments(scene: Scene): void {
  judgeSealed(scene);
  const captured = scene.captured.filter(({ frame }) => !isSealed(frame));
  expect(captured.length, 'tcpdump must have seen something').toBeGreaterThan(0);
  const paths = scene.paths.filter((path) => !framesOf(path).every(isSealed));
  const said = framesOnce(paths).filter((frame) => !isSealed(frame));
  expectSame(sorted(said), sorted(captured.map(({ frame }) => frame)));
  for (const path of paths) expect(path.complete, described(path)).toBe(true);
  const whole = paths.filter(({ branch }) => branch === undefined);
  expect(whole.length, 'packets').toBe(packetsOf(captured).length);
}

/** The fragments that have paths of their own: all but the first of a packet's, every segment. */
export function fragmentsOf(scene: Scene): PathRecord[] {
  return scene.paths.filter(({ branch }) => branch === 'fragment' || branch === 'segment');
}

/** What two paths share happened at one time. */
function framesOnce(paths: readonly PathRecord[]): Frame[] {
  const once = new Map<string, Frame>();
  for (const path of paths) {
    const frames = framesOf(path);
    let time = BigInt(path.start);
    for (const hop of path.hops) {
      time += BigInt(hop.sincePrevNs ?? 0);
      if (hop.stage !== 'egress' && hop.stage !== 'ingress') continue;
      once.set(`${time} ${hop.netns}/${hop.dev} ${hop.stage}`, frames.shift() as Frame);
    }
  }
  return [...once.values()];
}

function sorted(frames: readonly Frame[]): [string, Frame][] {
  const named = frames.map((frame): [string, Frame] => [nameOf(frame), frame]);
  return named.sort(([a], [b]) => (a < b ? -1 : 1));
}

function nameOf({ place, stage, proto, src, ipId, icmp, fragmentOffset, len }: Frame): string {
  return JSON.stringify([place, stage, proto, src, ipId, icmp, fragmentOffset, len]);
}
