import type { PathVerdict } from 'hopscope-protocol';
import { HOOK_INPUT } from '../packet/netfilter-hook.js';
import * as layout from '../wire/layout.gen.js';
import { CUT_END, type Path } from './path.js';
import type { Place } from './place.js';

/** After every table of the INPUT hook; see the entry points in bpf/tracer.bpf.c. */
const LAST_INPUT_PRIORITY = 101;

/**
 * What became of a packet, from its hops alone.
 *
 * The kernel announces every drop but not every delivery, so a packet that passed
 * the last table of INPUT without a drop after it reached its socket. What did so
 * inside a tunnel has only reached the tunnel's end.
 *
 * @param namespaceFiltered whether some namespaces are left out of the observation on purpose
 */
export function verdictOf(path: Path, namespaceFiltered: boolean): PathVerdict {
  if (path.dropped) {
    return 'dropped';
  }
  if (path.delivered) {
    return 'delivered';
  }
  if (path.mergedInto !== null) {
    return verdictOf(path.mergedInto, namespaceFiltered);
  }
  const last = path.lastPlace;
  if (last === null) {
    return 'unknown';
  }
  if (isBehindInput(last) && path.lastHeaders?.outer == null) {
    return 'delivered';
  }
  const { columns, parent } = path;
  if (parent !== null && parent.lastTime >= (columns.time[columns.length - 1] as number)) {
    // Its fragments were reassembled: what became of the whole became of it.
    return verdictOf(parent, namespaceFiltered);
  }
  if (last.stage === layout.STAGE_INGRESS) {
    return path.isArp && path.freed ? 'delivered' : 'unknown';
  }
  if (last.stage === layout.STAGE_EGRESS) {
    // Where the source stopped looking meanwhile, nothing says that nobody looks there.
    const unobserved = namespaceFiltered && (path.cutByWindow & CUT_END) === 0;
    return last.device.isHardware || unobserved ? 'forwarded' : 'unknown';
  }
  return 'unknown';
}

/** Whether no hop between the first and the last is known to be missing. */
export function isComplete(path: Path): boolean {
  return !path.gap && path.hopsCut === 0 && path.cutByWindow === 0;
}

/** Whether a path's last hop is where a packet ends that nothing more is heard of. */
export function isEndSeen(path: Path): boolean {
  const last = path.lastPlace;
  if (last === null) {
    return false;
  }
  return last.stage === layout.STAGE_EGRESS
    ? last.device.isHardware
    : isBehindInput(last) && path.lastHeaders?.outer == null;
}

function isBehindInput({ stage, hook, priority }: Place): boolean {
  return stage === layout.STAGE_NETFILTER && hook === HOOK_INPUT && priority >= LAST_INPUT_PRIORITY;
}
