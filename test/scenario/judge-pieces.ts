/**
 * Holds hopscope's records against tcpdump's where packets are cut: a piece is a path of
 * its own that shares with its packet what was before the cut, so every frame is looked
 * for among those of all paths.
 */
import { expect } from 'vitest';
import type { PathRecord } from '../../src/model/records.js';
import type { Frame } from './frame.js';
import { framesOf, packetsOf } from './judge.js';
import type { Scene } from './scene.js';

/** Compares every frame seen with every frame captured; fails on the first difference. */
export function judgePieces(scene: Scene): void {
  expect(scene.captured.length, 'tcpdump must have seen something').toBeGreaterThan(0);
  expect(sorted(framesOnce(scene.paths))).toEqual(sorted(scene.captured.map(({ frame }) => frame)));
  for (const path of scene.paths) expect(path.complete, `path ${path.id}`).toBe(true);
  const whole = scene.paths.filter(({ branch }) => branch === undefined);
  expect(whole.length, 'packets').toBe(packetsOf(scene.captured).length);
}

/** The pieces that have paths of their own: all but the first of each cut. */
export function piecesOf(scene: Scene): PathRecord[] {
  return scene.paths.filter(({ branch }) => branch === 'fragment');
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

function sorted(frames: readonly Frame[]): Frame[] {
  const key = ({ place, stage, proto, src, ipId, icmp, fragmentOffset, len }: Frame): string =>
    JSON.stringify([place, stage, proto, src, ipId, icmp, fragmentOffset, len]);
  return [...frames].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
