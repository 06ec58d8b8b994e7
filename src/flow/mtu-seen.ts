import type { MtuSeen } from '../check/mtu-verdict.js';
import type { Flow } from './flow.js';

/** What the packets of a flow showed, both directions together. */
export function mtuSeen({ pathMtu, largest, traced }: Flow): MtuSeen {
  return {
    pathMtu,
    largest,
    fragmentsSeen: traced?.fragmentsSeen ?? false,
    icmpTooBigSeen: traced?.icmpTooBigSeen ?? false,
    blackholeSeen: traced?.blackholeSeen ?? false,
  };
}
