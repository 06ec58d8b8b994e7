import { HOOK_PREROUTING } from '../packet/netfilter-hook.js';
import * as layout from '../wire/layout.gen.js';
import { isLastPlaintextHop } from './encrypted.js';
import type { Path } from './path.js';
import type { Place } from './place.js';

/**
 * Whether a hop between two of a path is known to be missing. Looked for when all have come:
 * trails of several CPUs come one after the other.
 */
export function hasGap({ columns, inherited }: Path): boolean {
  for (let at = Math.max(inherited, 1); at < columns.length; at++) {
    if (isGap(columns.place[at - 1] as Place, columns.place[at] as Place)) {
      return true;
    }
  }
  return false;
}

/**
 * A hop between the two must exist and was not seen: nothing enters a namespace
 * but through a device, and nothing is routed that was not received.
 */
function isGap(last: Place, next: Place): boolean {
  if (next.stage === layout.STAGE_DROP || next.stage === layout.STAGE_DELIVER) {
    return false;
  }
  if (next.device.netns !== last.device.netns && next.stage !== layout.STAGE_INGRESS) {
    return true;
  }
  if (next.stage === layout.STAGE_INGRESS && isLastPlaintextHop(last)) {
    return true;
  }
  return (
    last.stage === layout.STAGE_EGRESS &&
    next.stage === layout.STAGE_NETFILTER &&
    next.hook === HOOK_PREROUTING
  );
}
