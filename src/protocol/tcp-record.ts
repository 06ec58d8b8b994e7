import * as v from 'valibot';
import { directionSchema, hookSchema, stageSchema } from './enumerations.js';
import { latencyRecordSchema } from './latency-record.js';
import { boolean, decimal, type Infer, number, string } from './scalars.js';

/** Where a copy of a segment that was sent again was seen last. */
export const segmentLossRecordSchema = v.object({
  node: v.nullable(string),
  netns: string,
  dev: v.nullable(string),
  stage: stageSchema,
  hook: v.nullable(hookSchema),
  /** Drop reason; `null` where it was not seen to be dropped. */
  reason: v.nullable(string),
  segments: decimal,
});
export type SegmentLossRecord = Infer<typeof segmentLossRecordSchema>;

/** One direction of a TCP connection. All of it counts segments that were traced. */
export const tcpWayRecordSchema = v.object({
  /** From a segment to its acknowledgment, at the sender; `null` where none was timed. */
  rttNs: v.nullable(latencyRecordSchema),
  retransmitted: v.object({
    segments: decimal,
    lost: v.array(segmentLossRecordSchema),
    /** Of them, those whose first copy had arrived: its acknowledgment was lost, or late. */
    arrivedBefore: decimal,
    /** Of them, those of which nothing says what became of the first copy. */
    unexplained: decimal,
  }),
  /** Dropped because what they hold had arrived: no loss, though `drops` has them too. */
  duplicates: decimal,
  outOfOrder: decimal,
  /** Times that the sender of this direction closed its window: it took no more data. */
  zeroWindows: decimal,
  windowClosed: boolean,
  resets: decimal,
});
export type TcpWayRecord = Infer<typeof tcpWayRecordSchema>;

/** How a TCP connection fares. */
export const tcpHealthRecordSchema = v.object({
  /** `null` where its SYN was not seen. */
  handshake: v.nullable(
    v.object({
      syns: decimal,
      /** From the first SYN to its answer, at the client; `null` where that was not seen. */
      synAckNs: v.nullable(number),
      /** From there to the client's acknowledgment. */
      ackNs: v.nullable(number),
      /** Each endpoint that a SYN went to: a retried one may go to another than the first. */
      endpoints: v.array(
        v.object({
          dst: string,
          dport: v.nullable(number),
          syns: decimal,
        }),
      ),
    }),
  ),
  original: tcpWayRecordSchema,
  reply: tcpWayRecordSchema,
  /** Who ended it first, and how; `null` while nobody was seen to. */
  closedBy: v.nullable(
    v.object({
      direction: directionSchema,
      with: v.picklist(['fin', 'reset']),
    }),
  ),
});
export type TcpHealthRecord = Infer<typeof tcpHealthRecordSchema>;
