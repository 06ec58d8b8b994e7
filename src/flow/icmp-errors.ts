import type { Path } from '../join/path.js';
import type { Place } from '../join/place.js';
import type { Tuple } from '../join/tuple.js';
import { ICMP_FRAGMENTATION_NEEDED, ICMP_UNREACHABLE } from '../packet/icmp.js';
import { ICMPV6_PACKET_TOO_BIG } from '../packet/icmpv6.js';
import { PROTO_ICMP, PROTO_ICMPV6 } from '../packet/proto.js';
import type { Bindings } from './bindings.js';
import { type DirectionIndex, ORIGINAL, opposite } from './direction-index.js';
import type { Flow } from './flow.js';

/** Puts ICMP errors to the flow they complain about, none of whose packets they are. */
export class IcmpErrors {
  readonly #bindings: Bindings;
  /** The direction of the error that was found: against that of what it quotes. */
  direction: DirectionIndex = ORIGINAL;

  constructor(bindings: Bindings) {
    this.#bindings = bindings;
  }

  /** The flow of the quoted packet, with what the error says of it noted; null when none is known. */
  find(path: Path, quoted: Tuple): Flow | null {
    const { place, length } = path.columns;
    let last = -1;
    for (let i = 0; i < length; i++) {
      const { netns } = (place[i] as Place).device;
      const row = netns === last ? -1 : this.#bindings.find(quoted, netns);
      last = netns;
      if (row >= 0) {
        const flow = this.#bindings.flow(row);
        this.direction = opposite(this.#bindings.direction(row, quoted));
        noteTooBig(flow, path);
        return flow;
      }
    }
    return null;
  }
}

function noteTooBig(flow: Flow, path: Path): void {
  const isTooBig =
    (path.protocol === PROTO_ICMP &&
      path.icmpType === ICMP_UNREACHABLE &&
      path.icmpCode === ICMP_FRAGMENTATION_NEEDED) ||
    (path.protocol === PROTO_ICMPV6 && path.icmpType === ICMPV6_PACKET_TOO_BIG);
  if (!isTooBig) {
    return;
  }
  const traced = flow.makeTraced();
  traced.icmpTooBigSeen = true;
  if (path.icmpMtu > 0 && (traced.pathMtu === 0 || path.icmpMtu < traced.pathMtu)) {
    traced.pathMtu = path.icmpMtu;
  }
}
