import { HOOK_INPUT } from '../packet/netfilter-hook.js';
import * as layout from '../wire/layout.gen.js';
import { isCutInTunnel } from './encrypted.js';
import type { OpenPaths } from './open-paths.js';
import { ORIGIN_FRAGMENT, type Path } from './path.js';

/** After its end a packet is kept this long, for copies and late drops. */
const LINGER_NS = 20e6;
/** A packet handed to a socket layer is done when nothing is heard of it for this long. */
const SETTLE_INPUT_NS = 250e6;
/** A packet elsewhere may sit in a queue of a device. */
const SETTLE_NS = 1e9;

/** How long after its newest record a path is over, ns. */
function settleTime(path: Path): number {
  const last = path.lastPlace;
  if (path.ended) {
    // Its segments cannot be recognized before they come out of the tunnel.
    return isCutInTunnel(path) ? SETTLE_NS : LINGER_NS;
  }
  return last !== null && last.stage === layout.STAGE_NETFILTER && last.hook === HOOK_INPUT
    ? SETTLE_INPUT_NS
    : SETTLE_NS;
}

export function isPathOver(path: Path, now: number): boolean {
  const quiet = now - path.lastTime;
  if (path.origin === ORIGIN_FRAGMENT && path.parent?.isOpen === true && quiet < SETTLE_NS) {
    // What became of a fragment that was reassembled is what became of its packet.
    return false;
  }
  return quiet >= settleTime(path);
}

/** Has a path looked at when it may be over. */
export function schedule(open: OpenPaths, path: Path): void {
  if (path.isOpen) {
    open.account(path);
  }
  open.wheel.schedule(path, path.lastTime + settleTime(path));
}
