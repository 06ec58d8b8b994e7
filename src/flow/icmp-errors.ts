import type { PathVerdict } from 'hopscope-protocol';
import type { Path } from '../join/path.js';
import type { Place } from '../join/place.js';
import type { Tuple } from '../join/tuple.js';
import { ICMP_FRAGMENTATION_NEEDED, ICMP_UNREACHABLE } from '../packet/icmp.js';
import { ICMPV6_PACKET_TOO_BIG } from '../packet/icmpv6.js';
import { PROTO_ICMP, PROTO_ICMPV6 } from '../packet/proto.js';
import type { Bindings } from './bindings.js';
import { type DirectionIndex, ORIGINAL, opposite } from './direction-index.js';
import type { Flow } from './flow.js';
import type { FlowCounters } from './flow-counters.js';
import { ERRORS_LIMIT, type TooBigError } from './mtu-evidence.js';
import type { Traced } from './traced.js';

/** Puts ICMP errors to the flow they complain about, none of whose packets they are. */
export class IcmpErrors {
  readonly #bindings: Bindings;
  readonly #counters: FlowCounters;
  /** The direction of the error that was found: against that of what it quotes. */
  direction: DirectionIndex = ORIGINAL;

  constructor(bindings: Bindings, counters: FlowCounters) {
    this.#bindings = bindings;
    this.#counters = counters;
  }

  /** The flow of the quoted packet, with what the error says of it noted; null when none is known. */
  find(path: Path, quoted: Tuple, verdict: PathVerdict): Flow | null {
    const { place, length } = path.columns;
    let last = -1;
    for (let i = 0; i < length; i++) {
      const { netns } = (place[i] as Place).device;
      const row = netns === last ? -1 : this.#bindings.find(quoted, netns);
      last = netns;
      if (row >= 0) {
        const flow = this.#bindings.flow(row);
        const refused = this.#bindings.direction(row, quoted);
        this.direction = opposite(refused);
        if (isTooBig(path)) this.#note(flow, refused, path, verdict);
        return flow;
      }
    }
    return null;
  }

  #note(flow: Flow, refused: DirectionIndex, path: Path, verdict: PathVerdict): void {
    const traced = flow.makeTraced();
    const { columns } = path;
    const time = columns.time[columns.length - 1] as number;
    const error = this.#errorOf(traced, refused, path, time);
    if (error !== null) {
      error.count += 1;
      const end = columns.place[columns.length - 1] as Place;
      if (verdict === 'dropped') {
        error.dropReason = columns.drop?.reason ?? 0;
        error.droppedAt = end.device;
      } else {
        error.arrived += 1;
        if (verdict === 'delivered' && isUntranslated(flow, refused, path)) {
          error.untranslatedAt = end.device;
        }
      }
      traced.blackholeSeen = traced.mtu?.isBlackhole ?? false;
    }
    if (verdict === 'dropped') return;
    traced.icmpTooBigSeen = true;
    const direction = traced.direction(refused) ?? traced.makeDirection(refused);
    if (path.icmpMtu > 0 && (direction.pathMtu === 0 || path.icmpMtu < direction.pathMtu)) {
      direction.pathMtu = path.icmpMtu;
      // The error names its sender, and not the device.
      direction.narrowest = null;
    }
  }

  #errorOf(traced: Traced, refused: DirectionIndex, path: Path, time: number): TooBigError | null {
    const evidence = traced.makeMtuEvidence();
    const from = path.columns.headers[0]?.tuple?.src ?? '';
    const mtu = Math.max(path.icmpMtu, 0);
    const known = evidence.errors.find(
      (each) => each.direction === refused && each.from === from && each.mtu === mtu,
    );
    if (known !== undefined) return known;
    const made: TooBigError = {
      ...{ direction: refused, from, mtu, count: 0, arrived: 0, dropReason: null, droppedAt: null },
      ...{ first: time, smallerSeen: false, largerAfter: 0, untranslatedAt: null },
    };
    if (!traced.addEvidence(evidence.errors, ERRORS_LIMIT, made)) {
      this.#counters.evidenceRefused += 1;
      return null;
    }
    return made;
  }
}

function isTooBig(path: Path): boolean {
  return (
    (path.protocol === PROTO_ICMP &&
      path.icmpType === ICMP_UNREACHABLE &&
      path.icmpCode === ICMP_FRAGMENTATION_NEEDED) ||
    (path.protocol === PROTO_ICMPV6 && path.icmpType === ICMPV6_PACKET_TOO_BIG)
  );
}

/**
 * Whether an error that came to the sender quotes a packet that the sender has not sent so: its
 * socket is not found by that.
 */
function isUntranslated(flow: Flow, refused: DirectionIndex, path: Path): boolean {
  const sent = refused === ORIGINAL ? flow.original : flow.reply;
  const { quotedAtEnd, columns } = path;
  const at = (columns.place[columns.length - 1] as Place).device.netns;
  return (
    sent !== null &&
    quotedAtEnd !== null &&
    flow.firstDevice(refused)?.netns === at &&
    !quotedAtEnd.equals(sent)
  );
}
