import { type Direction, type FlowRecord, type PathRecord, pathDirection } from 'hopscope-protocol';
import { isDuplicate } from './drop-words.js';
import { totalTime } from './hop-groups.js';

export type PathsByDirection = Readonly<Record<Direction, readonly PathRecord[]>>;

/** Both ways of a flow, newest first. */
export function byDirection(flow: FlowRecord, paths: readonly PathRecord[]): PathsByDirection {
  const found: Record<Direction, PathRecord[]> = { original: [], reply: [] };
  for (const path of paths) found[pathDirection(flow, path)].push(path);
  return found;
}

/** The newest packet that was lost to a drop; a duplicate that is thrown away is no loss. */
export function newestDropped(paths: readonly PathRecord[]): PathRecord | null {
  return paths.find((path) => path.verdict === 'dropped' && !isDuplicate(path.drop)) ?? null;
}

/** Packets whose time from the first hop to the last is known, and was not cut short. */
function timed(paths: readonly PathRecord[]): (readonly [path: PathRecord, took: number])[] {
  return paths.flatMap((path) => {
    const took = path.complete && path.verdict !== 'dropped' ? totalTime(path.hops) : null;
    return took === null ? [] : [[path, took] as const];
  });
}

export function slowest(paths: readonly PathRecord[]): PathRecord | null {
  let found: readonly [PathRecord, number] | null = null;
  for (const one of timed(paths)) if (found === null || one[1] > found[1]) found = one;
  return found?.[0] ?? null;
}

/** The packet nearest to the p50 of its direction, or to the middle of those at hand. */
export function typical(paths: readonly PathRecord[], p50: number | null): PathRecord | null {
  const all = [...timed(paths)].sort((a, b) => a[1] - b[1]);
  const middle = p50 ?? all[Math.floor((all.length - 1) / 2)]?.[1] ?? null;
  if (middle === null) return null;
  let found: readonly [PathRecord, number] | null = null;
  for (const one of all) {
    if (found === null || Math.abs(one[1] - middle) < Math.abs(found[1] - middle)) found = one;
  }
  return found?.[0] ?? null;
}

/** The packet to open with: the drop, else the typical one, else the newest. */
export function packetThatMatters(
  flow: FlowRecord,
  paths: readonly PathRecord[],
  direction: Direction,
): PathRecord | null {
  return (
    newestDropped(paths) ??
    typical(paths, flow.latencyNs?.[direction]?.p50 ?? null) ??
    paths[0] ??
    null
  );
}

/** The direction to open with: that of the newest drop, else the slower one of those with packets. */
export function directionThatMatters(flow: FlowRecord, paths: PathsByDirection): Direction {
  const [sent, answer] = [newestDropped(paths.original), newestDropped(paths.reply)];
  if (sent !== null || answer !== null) {
    if (sent === null) return 'reply';
    return answer !== null && BigInt(answer.start) > BigInt(sent.start) ? 'reply' : 'original';
  }
  if (paths.original.length === 0 && paths.reply.length > 0) return 'reply';
  const { original, reply } = flow.latencyNs ?? { original: null, reply: null };
  if (paths.reply.length === 0 || original === null || reply === null) return 'original';
  return reply.p50 > original.p50 ? 'reply' : 'original';
}
