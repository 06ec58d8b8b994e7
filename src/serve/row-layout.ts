import type { MtuVerdict, PathVerdict } from 'hopscope-protocol';
import type { FlowState } from '../flow/flow.js';

/**
 * A batch of rows as it crosses from the collector to the server process, in the byte
 * order of the machine: BATCH_BYTES of header, rows of ROW_BYTES each, then the ids of
 * removed flows, 8 bytes each. It has numbers only: names, addresses as text and
 * wall-clock times are made by the server process, from the catalog.
 */

/** Header, in 32-bit words. */
export const BATCH_ROWS = 0;
export const BATCH_REMOVED = 1;
/** Flows in the table, those that have ended among them. */
export const BATCH_TOTAL = 2;
/** Changed flows that wait for a later batch. */
export const BATCH_BEHIND = 3;
/** 1: forget every row known before. */
export const BATCH_RESET = 4;
/** Those of BATCH_TOTAL that have ended. */
export const BATCH_ENDED = 5;
/** Header, in 64-bit floats: the collector's monotonic milliseconds; time of the newest packet. */
export const BATCH_TIME = 3;
export const BATCH_NEWEST = 4;
export const BATCH_WORDS = 10;
export const BATCH_BYTES = BATCH_WORDS * 4;

/** A row, in 32-bit words from its begin. Addresses are four words, as in DecodedPacket. */
export const ROW_ID = 0;
export const ROW_FLAGS = 2;
/** Address family of the original tuple, 16 bits, and its protocol above. */
export const ROW_PROTOCOL = 3;
export const ROW_SRC = 4;
export const ROW_DST = 8;
export const ROW_SPORT = 12;
export const ROW_DPORT = 13;
export const ROW_REPLY_SRC = 14;
export const ROW_REPLY_DST = 18;
export const ROW_REPLY_SPORT = 22;
export const ROW_REPLY_DPORT = 23;
/** Inodes of the namespaces where it was first seen and delivered; 0 where not known. */
export const ROW_FIRST_NETNS = 24;
export const ROW_LAST_NETNS = 25;
/** The most frequent drop reason. */
export const ROW_REASON = 26;
/** Kinds of encapsulation: overhead, 16 bits, and type + 1 above; 0 for none. */
export const ROW_KINDS = 27;
/** A row, in 64-bit floats from its begin. */
export const ROW_START = 16;
export const ROW_LAST = 17;
export const ROW_PACKETS = 18;
export const ROW_BYTE_COUNTS = 20;
export const ROW_DROPS = 22;
/** Not a number while no packet was measured. */
export const ROW_P50 = 23;
export const ROW_P99 = 24;
export const ROW_WORDS = 50;
export const ROW_BYTES = ROW_WORDS * 4;

/** Bits of ROW_FLAGS; the three codes have four bits each. */
export const FLAG_ANSWERED = 1;
export const FLAG_REASON = 2;
/** It did not change just now, but fills a table that begins anew. */
export const FLAG_OLD = 4;
/** It has ended and is kept for readers. */
export const FLAG_ENDED = 8;
export const STATE_SHIFT = 4;
export const VERDICT_SHIFT = 8;
export const MTU_SHIFT = 12;
export const CODE_MASK = 15;

export const STATES: readonly FlowState[] = ['new', 'active', 'closing', 'closed'];
export const VERDICTS: readonly PathVerdict[] = ['unknown', 'delivered', 'dropped', 'forwarded'];
export const MTU_VERDICTS: readonly MtuVerdict[] = [
  'unknown',
  'fits',
  'fragments',
  'blackhole',
  'pmtu',
];
