import type { Device } from '../join/device-table.js';
import type { DirectionIndex } from './direction-index.js';
import type { Vanishing } from './vanishing.js';

/** ICMP errors and refusals of one flow that are kept apart; others are left out, and counted. */
export const ERRORS_LIMIT = 8;
export const REFUSALS_LIMIT = 8;
/** Estimated bytes of the evidence, and of one error, refusal or TCP direction in it. */
export const EVIDENCE_BYTES = 240;
export const ENTRY_BYTES = 160;

/** Fragmentation needed (RFC 1191) or packet too big (RFC 8201), as often as it came. */
export interface TooBigError {
  /** Of the packets that were refused; the error goes the other way. */
  readonly direction: DirectionIndex;
  /** Who sent it. */
  readonly from: string;
  /** Bytes that fit, as it says; 0 where it does not (RFC 792). */
  readonly mtu: number;
  count: number;
  /** Of them, what was not seen to be dropped on the way back. */
  arrived: number;
  /** enum skb_drop_reason of the newest that was dropped, and where. */
  dropReason: number | null;
  droppedAt: Device | null;
  /** When the first one was at its last hop, ns since the source's epoch. */
  readonly first: number;
  /** Whether the sender sent data in packets that fit, after the first one. */
  smallerSeen: boolean;
  /** Packets sent later that do not fit either. */
  largerAfter: number;
  /** Where one came to that does not quote the packet as its sender sent it. */
  untranslatedAt: Device | null;
}

/** Packets that were dropped because they were too large, at one place. */
export interface Refusal {
  readonly direction: DirectionIndex;
  /** The last device that saw them. */
  readonly seenBy: Device;
  /** The device that takes no more; null where routing refused, or the device is not known. */
  readonly refusedBy: Device | null;
  /** enum skb_drop_reason */
  readonly reason: number;
  /** Bytes of IP at that place: in a tunnel with the headers around it. */
  largest: number;
  packets: number;
}

/** Tunnel packets whose outer checksum the receiver found wrong. */
export interface BadChecksum {
  readonly direction: DirectionIndex;
  readonly at: Device;
  /** OUTER_* of packet/decoded-packet.ts. */
  readonly tunnel: number;
  /** The tunnel device that sent them; null where it was not seen. */
  readonly sentBy: Device | null;
  packets: number;
}

/** What happened to a flow's packets for their size: made for the first such packet. */
export class MtuEvidence {
  readonly errors: TooBigError[] = [];
  readonly refusals: Refusal[] = [];
  readonly badChecksums: BadChecksum[] = [];
  /** Fragments of each direction that waited in vain for others of their packet. */
  readonly unassembled: [number, number] = [0, 0];
  /** Of TCP whose segments were not seen to arrive. */
  readonly vanishing: [Vanishing | null, Vanishing | null] = [null, null];

  /** Whether the sender was notified that packets of so many bytes do not fit. */
  isTold(direction: DirectionIndex, bytes: number): boolean {
    return this.errors.some(
      (error) => error.direction === direction && error.arrived > 0 && error.mtu < bytes,
    );
  }

  /** Whether packets vanished for their size, and their sender was not notified. */
  get isBlackhole(): boolean {
    return (
      this.refusals.some(({ direction, largest }) => !this.isTold(direction, largest)) ||
      this.vanishing.some(
        (each, direction) =>
          each?.vanished != null && !this.isTold(direction as DirectionIndex, each.vanished.size),
      )
    );
  }
}
