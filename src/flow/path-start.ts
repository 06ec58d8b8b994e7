import { CUT_START, type Path } from '../join/path.js';
import * as layout from '../wire/layout.gen.js';

/** It was first seen somewhere on its way. */
export const START_UNKNOWN = 0;
/** It was first seen leaving by a device: as its source sent it, unless hops before were lost. */
export const START_DEVICE = 1;
/** It was first seen where a socket sends: nothing has touched it. */
export const START_SOCKET = 2;

const HOOK_OUTPUT = 3;

/** How near to its source a path was first seen. */
export function pathStart(path: Path): number {
  const first = path.hops[0];
  if (first === undefined || first.outer !== null || (path.cutByWindow & CUT_START) !== 0) {
    return START_UNKNOWN;
  }
  if (first.stage === layout.STAGE_NETFILTER && first.hook === HOOK_OUTPUT) {
    return START_SOCKET;
  }
  if (path.fromSocket) {
    return START_SOCKET;
  }
  return first.stage === layout.STAGE_EGRESS ? START_DEVICE : START_UNKNOWN;
}
