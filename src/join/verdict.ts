import type { PathVerdict } from '../model/records.js';
import * as layout from '../wire/layout.gen.js';
import type { Path } from './path.js';

const HOOK_INPUT = 1;
/** Behind every table of the INPUT hook; see the entry points in bpf/tracer.bpf.c. */
const LAST_INPUT_PRIORITY = 101;
const ARPHRD_LOOPBACK = 772;

/**
 * What became of a packet, from its hops alone.
 *
 * The kernel announces every drop but not every delivery, so a packet that passed
 * the last table of INPUT without a drop after it reached its socket. What did so
 * inside a tunnel has only reached the tunnel's end.
 *
 * @param limited whether some namespaces are left out of the observation on purpose
 */
export function verdictOf(path: Path, limited: boolean): PathVerdict {
  if (path.dropped) {
    return 'dropped';
  }
  if (path.delivered) {
    return 'delivered';
  }
  if (path.mergedInto !== null) {
    return verdictOf(path.mergedInto, limited);
  }
  const last = path.last;
  if (last === undefined) {
    return 'unknown';
  }
  if (
    last.stage === layout.STAGE_NETFILTER &&
    last.hook === HOOK_INPUT &&
    last.outer === null &&
    last.priority >= LAST_INPUT_PRIORITY
  ) {
    return 'delivered';
  }
  if (path.parent !== null && path.parent.lastTime >= last.time) {
    // Its pieces were put together again: what became of the whole became of it.
    return verdictOf(path.parent, limited);
  }
  if (last.stage === layout.STAGE_INGRESS) {
    return path.isArp && path.freed ? 'delivered' : 'unknown';
  }
  if (last.stage === layout.STAGE_EGRESS) {
    const hardware = last.device.kind === '' && last.device.type !== ARPHRD_LOOPBACK;
    return hardware || limited ? 'forwarded' : 'unknown';
  }
  return 'unknown';
}

/** Whether no hop between the first and the last is known to be missing. */
export function isComplete(path: Path): boolean {
  return !path.gap && path.hopsCut === 0;
}
