import { TCP_FIN, TCP_RST } from '../packet/tcp.js';
import type { DirectionIndex } from './direction-index.js';
import type { Flow } from './flow.js';

/**
 * Takes over what TCP flags say of a connection, those of one packet or all that were
 * seen in one direction. Other protocols have none: they are active once both ways are seen.
 *
 * @param flags -1 for none
 * @returns whether the state is another
 */
export function noteFlags(flow: Flow, direction: DirectionIndex, flags: number): boolean {
  const before = flow.state;
  if (before === 'closed') {
    return false;
  }
  if (flags >= 0 && (flags & TCP_RST) !== 0) {
    flow.state = 'closed';
  } else if (flags >= 0 && (flags & TCP_FIN) !== 0) {
    flow.finSeen |= 1 << direction;
    flow.state = flow.finSeen === 3 ? 'closed' : 'closing';
  } else if (before === 'new' && flow.hasBothWays) {
    flow.state = 'active';
  }
  return flow.state !== before;
}
