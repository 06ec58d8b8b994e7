import type { Direction } from './enumerations.js';
import type { FlowRecord } from './flow-record.js';
import type { PathRecord } from './path-record.js';

/** Which way of the flow a path went: as recorded, else from what its first hop shows. */
export function pathDirection(flow: FlowRecord, path: PathRecord): Direction {
  if (path.direction !== undefined) return path.direction;
  const first = path.hops.find((hop) => hop.tuple !== null)?.tuple;
  if (first !== undefined && first !== null) {
    const { original, reply } = flow;
    if (first.src === original.src && first.sport === original.sport) return 'original';
    if (reply !== null && first.src === reply.src && first.sport === reply.sport) return 'reply';
  }
  return path.hops.some((hop) => hop.ct?.reply === true) ? 'reply' : 'original';
}
