import type { Headers } from '../join/headers.js';
import { CUT_START, type Path } from '../join/path.js';
import type { Place } from '../join/place.js';
import { HOOK_OUTPUT } from '../packet/netfilter-hook.js';
import * as layout from '../wire/layout.gen.js';

/** It was first seen somewhere on its way. */
export const START_UNKNOWN = 0;
/** It was first seen leaving by a device: as its source sent it, unless hops before were lost. */
export const START_DEVICE = 1;
/** It was first seen where a socket sends: nothing has touched it. */
export const START_SOCKET = 2;

/** How near to its source a path was first seen. */
export function pathStart(path: Path): number {
  const { columns } = path;
  if (
    columns.length === 0 ||
    (columns.headers[0] as Headers).outer !== null ||
    (path.cutByWindow & CUT_START) !== 0
  ) {
    return START_UNKNOWN;
  }
  if (path.fromSocket) {
    return START_SOCKET;
  }
  const first = columns.place[0] as Place;
  if (first.stage === layout.STAGE_NETFILTER) {
    return first.hook === HOOK_OUTPUT ? START_SOCKET : START_UNKNOWN;
  }
  return first.stage === layout.STAGE_EGRESS ? START_DEVICE : START_UNKNOWN;
}

/** Whether a path begins where its packet did, as far as is known. */
export function isStartSeen({ cutByWindow }: Path): boolean {
  return (cutByWindow & CUT_START) === 0;
}
