import { type DecodedPacket, OUTER_NONE } from '../packet/decoded-packet.js';
import { HOOK_OUTPUT, HOOK_POSTROUTING } from '../packet/netfilter-hook.js';
import { PROTO_TCP } from '../packet/proto.js';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../packet/tcp.js';
import * as layout from '../wire/layout.gen.js';
import type { TrailCursor } from '../wire/trail-cursor.js';
import { branchOf, copyOf, hopsBefore } from './branch.js';
import type { Device } from './device-table.js';
import { identityKey } from './identity.js';
import type { JoinState } from './join-state.js';
import { end } from './open-paths.js';
import { quotedTupleOf, tupleOf } from './packet-tuple.js';
import { CUT_START, type Path } from './path.js';
import { describePacket } from './path-packet.js';
import { NO_HOOK } from './place.js';
import { schedule } from './settle.js';

/** Begins paths: of a packet that is new, of a copy, a clone, a segment or a fragment. */
export class Beginnings {
  readonly #state: JoinState;
  readonly #evictOldest: () => void;

  /** @param evictOldest makes room where too many paths are open */
  constructor(state: JoinState, evictOldest: () => void) {
    this.#state = state;
    this.#evictOldest = evictOldest;
  }

  /** The path of a packet in a buffer in which another one, or none, was before. */
  begin(hop: TrailCursor, p: DecodedPacket, device: Device, superseded: Path | undefined): Path {
    const { open, tuples, places, filter, windows } = this.#state;
    if (superseded !== undefined && !superseded.ended && superseded.begun <= hop.time) {
      // Its buffer was given to another packet, so its own life is over.
      end(superseded, hop.time);
      schedule(open, superseded);
    }
    const copied = copyOf(open, hop, p, tuples);
    if (copied !== null) {
      open.move(copied, hop.skb, hop.time);
      copied.ended = false;
      copied.freed = false;
      copied.endTime = Number.POSITIVE_INFINITY;
      return copied;
    }
    // Before a look for what it branches from: that must not be finished in between.
    while (open.isFull) {
      this.#evictOldest();
    }
    const branch = branchOf(open, hop, p, tuples);
    const path = open.open(hop.skb, hop.head, hop.time);
    describePacket(path, p);
    path.matched = filter === null;
    path.fromSocket = hop.sock !== 0 && isFromSocket(hop, p);
    if (path.fromSocket && p.protocol === PROTO_TCP) {
      this.#sent(path, p, hop.sock);
    }
    if (p.hasQuoted && p.quotedFamily !== 0) {
      path.quoted = quotedTupleOf(p, tuples);
      path.quotedAtEnd = path.quoted;
    }
    if (branch !== null) {
      const { priority, stage, hook } = hop;
      path.origin = branch.origin;
      path.parent = branch.path;
      path.inherited = hopsBefore(
        branch.path,
        places.of(device, stage, hook, hook === NO_HOOK ? 0 : priority),
        hop.time,
      );
      path.columns.inherit(branch.path.columns, path.inherited);
      path.matched = branch.path.matched;
      path.cutByWindow = branch.path.cutByWindow & CUT_START;
      branch.path.children += 1;
    } else {
      open.setIdentity(path, identityKey(p));
    }
    windows.begin(path, hop, device);
    return path;
  }

  /** What the sender of a segment is doing: opening a connection, or using it. */
  #sent(path: Path, p: DecodedPacket, sock: number): void {
    const { proxyLinker, tuples } = this.#state;
    if ((p.tcpFlags & (TCP_SYN | TCP_ACK)) === TCP_SYN) {
      const answer = tupleOf(p, null, tuples).reversed(tuples);
      path.openedFor = proxyLinker.opened(sock, answer);
    } else if (p.payloadLength > 0 || (p.tcpFlags & (TCP_FIN | TCP_RST)) !== 0) {
      proxyLinker.sent(sock, (p.tcpFlags & (TCP_FIN | TCP_RST)) !== 0);
    }
  }
}

/**
 * Whether a buffer that is seen for the first time has just been sent by its socket. A hook
 * is seen only where somebody registered there.
 */
function isFromSocket(hop: TrailCursor, p: DecodedPacket): boolean {
  if (p.outerType !== OUTER_NONE) {
    return false;
  }
  return (
    hop.stage === layout.STAGE_EGRESS ||
    (hop.stage === layout.STAGE_NETFILTER &&
      (hop.hook === HOOK_OUTPUT || hop.hook === HOOK_POSTROUTING))
  );
}
