import { PROTO_TCP } from '../packet/proto.js';
import * as layout from '../wire/layout.gen.js';
import type { RecordCursor } from '../wire/record-cursor.js';
import type { TrailCursor } from '../wire/trail-cursor.js';
import type { Headers } from './headers.js';
import type { JoinState } from './join-state.js';
import { end } from './open-paths.js';
import type { Path } from './path.js';
import { NO_HOOK } from './place.js';
import type { Actor } from './proxy-linker.js';
import { schedule } from './settle.js';
import { isOnWayIn, isUndoneByDelivery } from './socket-end.js';

/** What became of a delivery. */
const TAKEN = 0;
const REPEATED = 1;
const REFUSED = 2;

/** Puts to its path that a socket took a packet. */
export class Deliveries {
  readonly #state: JoinState;

  constructor(state: JoinState) {
    this.#state = state;
  }

  /** A process reads a packet. */
  read(record: RecordCursor): void {
    const { open, proxyLinker, counters } = this.#state;
    // A raw socket is given a clone, which nothing announced before.
    const { time } = record;
    const isOnWay = (one: Path): boolean => isOnWayIn(one.columns.place[one.columns.indexAt(time)]);
    const inBuffer = open.inBuffer(record.skb, time, isOnWay);
    const path =
      inBuffer !== undefined && isOnWay(inBuffer)
        ? inBuffer
        : open.byHead.get(record.address(layout.DELIVER_HEAD));
    const sock = record.address(layout.DELIVER_SOCK);
    if (path !== undefined) {
      if (this.#delivered(path, time, record.u32(layout.DELIVER_NETNS), sock) === TAKEN) {
        counters.hopsRead += 1;
      }
      schedule(open, path);
    }
    // It may be read long after it was delivered, and its path be finished.
    if (sock !== 0 && record.u32(layout.DELIVER_READER + layout.ACTOR_PROCESS) !== 0) {
      proxyLinker.read(sock, actorOf(record, layout.DELIVER_READER));
    }
  }

  /** A hop at which a socket takes its packet. */
  markDelivered(path: Path, hop: TrailCursor): void {
    const { counters } = this.#state;
    switch (this.#delivered(path, hop.time, hop.netns, hop.deliverSock)) {
      case REPEATED:
        counters.hopsRepeated += 1;
        break;
      case REFUSED:
        counters.hopsRefused += 1;
        break;
      default:
    }
  }

  /** A socket takes a packet: TAKEN with its hop; REPEATED or REFUSED without. */
  #delivered(path: Path, time: number, netns: number, sock: number): number {
    const { places, proxyLinker, counters, names } = this.#state;
    const { columns } = path;
    const at = columns.indexAt(time);
    const last = columns.place[at];
    if (at < 0 || last === undefined || !isOnWayIn(last)) {
      return REFUSED;
    }
    if (path.dropped) {
      if (!isUndoneByDelivery(path, time, names)) {
        return REFUSED;
      }
      columns.pop();
      counters.hopsUndone += 1;
      path.dropped = false;
    }
    if (netns !== 0 && netns !== last.device.netns) {
      return REFUSED;
    }
    const headers = columns.headers[at] as Headers;
    if (sock !== 0 && headers.tuple?.protocol === PROTO_TCP) {
      proxyLinker.received(sock, headers.tuple, netns, path);
    }
    if (path.received) {
      return REPEATED;
    }
    columns.push(
      time,
      places.of(last.device, layout.STAGE_DELIVER, NO_HOOK, 0),
      headers,
      columns.ct[at] ?? null,
      columns.len[at] as number,
      columns.mark[at] as number,
      columns.ttl[at] as number,
    );
    columns.settleLast();
    path.lastTime = Math.max(path.lastTime, time);
    path.delivered = true;
    path.received = true;
    end(path, time);
    return TAKEN;
  }
}

/** Who acts on a socket: struct hs_actor at an offset of the record. */
export function actorOf(record: RecordCursor, at: number): Actor {
  return {
    process: record.u32(at + layout.ACTOR_PROCESS),
    thread: record.u32(at + layout.ACTOR_THREAD),
    sleeps: record.u32(at + layout.ACTOR_SLEEPS),
  };
}
