import type { Direction, Hook, LatencyRecord, Stage } from './records.js';

/** Where a copy of a segment that was sent again was seen last. */
export interface SegmentLossRecord {
  readonly node: string | null;
  readonly netns: string;
  readonly dev: string | null;
  readonly stage: Stage;
  readonly hook: Hook | null;
  /** Drop reason; `null` where it was not seen to be dropped. */
  readonly reason: string | null;
  readonly segments: string;
}

/** One direction of a TCP connection. All of it counts segments that were traced. */
export interface TcpWayRecord {
  /** From a segment to its acknowledgment, at the sender; `null` where none was timed. */
  readonly rttNs: LatencyRecord | null;
  readonly retransmitted: {
    readonly segments: string;
    readonly lost: readonly SegmentLossRecord[];
    /** Of them, those whose first copy had arrived: its acknowledgment was lost, or late. */
    readonly arrivedBefore: string;
    /** Of them, those of which nothing says what became of the first copy. */
    readonly unexplained: string;
  };
  /** Dropped because what they hold had arrived: no loss, though `drops` has them too. */
  readonly duplicates: string;
  readonly outOfOrder: string;
  /** Times that the sender of this direction closed its window: it took no more data. */
  readonly zeroWindows: string;
  readonly windowClosed: boolean;
  readonly resets: string;
}

/** How a TCP connection fares. */
export interface TcpHealthRecord {
  /** `null` where its SYN was not seen. */
  readonly handshake: {
    readonly syns: string;
    /** From the first SYN to its answer, at the client; `null` where that was not seen. */
    readonly synAckNs: number | null;
    /** From there to the client's acknowledgment. */
    readonly ackNs: number | null;
    /** Each endpoint that a SYN went to: a retried one may go to another than the first. */
    readonly endpoints: readonly {
      readonly dst: string;
      readonly dport: number | null;
      readonly syns: string;
    }[];
  } | null;
  readonly original: TcpWayRecord;
  readonly reply: TcpWayRecord;
  /** Who ended it first, and how; `null` while nobody was seen to. */
  readonly closedBy: { readonly direction: Direction; readonly with: 'fin' | 'reset' } | null;
}
