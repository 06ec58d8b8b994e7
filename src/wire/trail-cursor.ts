import { AF_INET, AF_INET6 } from './address-family.js';
import * as layout from './layout.gen.js';
import type { RecordCursor, WireErrorCode } from './record-cursor.js';

/** Where a link header begins in its block, which keeps what follows it aligned. */
const LINK_PAD = 2;
const LINK_BLOCK = 16;
/** Another flag announces a block of unknown size: what follows cannot be found. */
const UNKNOWN_FLAGS = ~(
  layout.HOP_LINK |
  layout.HOP_SNAPSHOT |
  layout.HOP_CONNTRACK |
  layout.HOP_DROP |
  layout.HOP_DELIVER
);

/**
 * The hops of one trail, in order. It borrows from the record's bytes. Offsets of blocks
 * are in those bytes, -1 for a block that a hop does not have.
 */
export class TrailCursor {
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Of the trail. */
  skb = 0;
  sock = 0;
  /** enum hs_end, and when it ended. */
  end = 0;
  endTime = 0;
  /** Hops that the record says it has. */
  hops = 0;
  /** Why the rest of the trail could not be read; null while all is well. */
  error: WireErrorCode | null = null;

  /** Of the hop. */
  time = 0;
  netns = 0;
  ifindex = 0;
  mark = 0;
  len = 0;
  flags = 0;
  priority = 0;
  stage = 0;
  hook = 0;
  ttl = 0;
  ctInfo = 0;
  /** Offset of the 14 bytes of a link header. */
  link = -1;
  /** Offset of struct hs_snapshot, and of the bytes it is about. */
  snapshot = -1;
  bytes = -1;
  /** Offset of struct hs_conntrack. */
  conntrack = -1;
  /** Offset of struct hs_drop. */
  drop = -1;
  /** The socket of a delivery, low 48 bits. */
  deliverSock = 0;

  /** Offset in the record of the hop, and hops from it on. */
  hopAt = 0;
  hopsLeft = 0;

  #offset = 0;
  #start = 0;
  #at = 0;
  #limit = 0;
  #left = 0;

  /** Starts on the trail under the cursor, or on what is left of it. */
  begin(record: RecordCursor): void {
    const { view, offset, from } = record;
    this.view = view;
    this.skb = record.skb;
    this.sock = record.address(layout.TRAIL_SOCK);
    this.end = view.getUint8(offset + layout.TRAIL_END);
    this.endTime = record.time + view.getUint32(offset + layout.TRAIL_END_DELTA, true);
    this.hops = from?.hops ?? view.getUint16(offset + layout.TRAIL_HOPS, true);
    this.error = null;
    this.#left = this.hops;
    this.#start = record.time;
    this.#offset = offset;
    this.#at = offset + (from?.at ?? layout.SIZEOF_TRAIL);
    this.#limit = record.end;
  }

  /** Whether the hop is the first of its trail, not only of what is left of it. */
  get isFirst(): boolean {
    return this.hopAt === layout.SIZEOF_TRAIL;
  }

  /** Moves to the next hop; false after the last one, and where the rest cannot be read. */
  next(): boolean {
    const at = this.#at;
    if (this.#left === 0) {
      return at === this.#limit ? false : this.#refuse('WIRE_BAD_TRAIL');
    }
    if (at + layout.SIZEOF_HOP > this.#limit) {
      return this.#refuse('WIRE_BAD_TRAIL');
    }
    this.hopAt = at - this.#offset;
    this.hopsLeft = this.#left;
    this.#left -= 1;
    const view = this.view;
    this.time = this.#start + view.getUint32(at + layout.HOP_DELTA, true);
    this.netns = view.getUint32(at + layout.HOP_NETNS, true);
    this.ifindex = view.getUint32(at + layout.HOP_IFINDEX, true);
    this.mark = view.getUint32(at + layout.HOP_MARK, true);
    this.len = view.getUint32(at + layout.HOP_LEN, true);
    this.flags = view.getUint32(at + layout.HOP_FLAGS, true);
    this.priority = view.getInt16(at + layout.HOP_PRIORITY, true);
    this.stage = view.getUint8(at + layout.HOP_STAGE);
    this.hook = view.getUint8(at + layout.HOP_HOOK);
    this.ttl = view.getUint8(at + layout.HOP_TTL);
    this.ctInfo = view.getUint8(at + layout.HOP_CT_INFO);
    this.#at = at + layout.SIZEOF_HOP;
    if (this.stage < layout.STAGE_EGRESS || this.stage > layout.STAGE_DROP) {
      return this.#refuse('WIRE_BAD_STAGE');
    }
    this.link = -1;
    this.snapshot = -1;
    this.conntrack = -1;
    this.drop = -1;
    return this.flags === 0 || this.#blocks();
  }

  #blocks(): boolean {
    const { flags, view } = this;
    let at = this.#at;
    if ((flags & UNKNOWN_FLAGS) !== 0) {
      return this.#refuse('WIRE_BAD_TRAIL');
    }
    if ((flags & layout.HOP_LINK) !== 0) {
      this.link = at + LINK_PAD;
      at += LINK_BLOCK;
    }
    if ((flags & layout.HOP_SNAPSHOT) !== 0) {
      if (at + layout.SIZEOF_SNAPSHOT > this.#limit) {
        return this.#refuse('WIRE_BAD_TRAIL');
      }
      const length = view.getUint16(at + layout.SNAPSHOT_LENGTH, true);
      if (length > layout.LENGTH_SNAPSHOT) {
        return this.#refuse('WIRE_BAD_SNAPSHOT');
      }
      this.snapshot = at;
      this.bytes = at + layout.SIZEOF_SNAPSHOT;
      at = this.bytes + ((length + 7) & ~7);
    }
    if ((flags & layout.HOP_CONNTRACK) !== 0) {
      if (at + layout.SIZEOF_CONNTRACK > this.#limit) {
        return this.#refuse('WIRE_BAD_TRAIL');
      }
      this.conntrack = at;
      at += conntrackSize(view.getUint8(at + layout.CONNTRACK_L3NUM));
    }
    if ((flags & layout.HOP_DROP) !== 0) {
      this.drop = at;
      at += layout.SIZEOF_DROP;
    }
    if ((flags & layout.HOP_DELIVER) !== 0) {
      at += 8;
    }
    if (at > this.#limit) {
      return this.#refuse('WIRE_BAD_TRAIL');
    }
    if ((flags & layout.HOP_DELIVER) !== 0) {
      this.deliverSock =
        (view.getUint32(at - 4, true) & 0xffff) * 4294967296 + view.getUint32(at - 8, true);
    }
    this.#at = at;
    return true;
  }

  #refuse(error: WireErrorCode): boolean {
    this.error = error;
    this.#at = this.#limit;
    this.#left = 0;
    return false;
  }

  /** Passes over the hops before the one at `at`, an offset in the record; `left` are from there on. */
  skipTo(at: number, left: number): void {
    this.#at = this.#offset + at;
    this.#left = left;
  }

  /** Bytes of the conntrack entry of a hop that has one. */
  get conntrackBytes(): number {
    return conntrackSize(this.view.getUint8(this.conntrack + layout.CONNTRACK_L3NUM));
  }

  /** `skb->head` of the snapshot, low 48 bits. */
  get head(): number {
    const at = this.snapshot + layout.SNAPSHOT_HEAD;
    return (
      (this.view.getUint32(at + 4, true) & 0xffff) * 4294967296 + this.view.getUint32(at, true)
    );
  }

  /** A 16-bit field of the snapshot. */
  snapshotU16(field: number): number {
    return this.view.getUint16(this.snapshot + field, true);
  }

  /** enum skb_drop_reason of a drop; 0 where it was not handed over. */
  get dropReason(): number {
    return this.drop < 0 ? 0 : this.view.getUint32(this.drop + layout.DROP_REASON, true);
  }

  /** Holders of the data at a drop. */
  get dropHolders(): number {
    return this.drop < 0 ? 0 : this.view.getUint32(this.drop + layout.DROP_DATAREF, true);
  }

  /** Address in the kernel's text, whole. */
  get dropLocation(): bigint {
    return this.drop < 0 ? 0n : this.view.getBigUint64(this.drop + layout.DROP_LOCATION, true);
  }
}

function conntrackSize(l3num: number): number {
  switch (l3num) {
    case AF_INET:
      return layout.SIZEOF_CONNTRACK4;
    case AF_INET6:
      return layout.SIZEOF_CONNTRACK6;
    default:
      return layout.SIZEOF_CONNTRACK;
  }
}
