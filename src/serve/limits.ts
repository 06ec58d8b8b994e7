import { CLUSTER_NAMES_BYTES } from '../name/cluster-names.js';

/** Bounds of the server. Whatever passes one is refused and counted, never queued. */

/** WebSocket clients at a time. */
export const CLIENT_LIMIT = 32;
/** TCP connections at a time, WebSocket clients included; one past it, the longest idle one goes. */
export const CONNECTION_LIMIT = 256;
/** Unsent bytes of one client above which it gets nothing more until it reads. */
export const SEND_BUFFER_LIMIT = 1 << 20;
/** Client messages a second; more are refused. */
export const MESSAGE_RATE_LIMIT = 50;
/** Messages and pings a second; a client that sends more is cut off. */
export const FRAME_RATE_LIMIT = 500;
/** Bytes a second that are read of one client; the rest waits where it is. */
export const CLIENT_READ_LIMIT = 64 << 10;
/** Fragments of one client message. */
export const FRAGMENT_LIMIT = 64;
/** Requests that wait on one connection for the answer before; one more ends the connection. */
export const PIPELINE_LIMIT = 16;
/** Ids of rows that went, kept for one client that has not heard of them; past it, it starts anew. */
export const CLIENT_REMOVED_LIMIT = 8192;
/** Flows one page of `/api/flows` holds at most, and when nothing is said. */
export const API_FLOW_LIMIT = 10_000;
export const API_FLOW_DEFAULT = 1_000;
/** Where they have an order, which has one page. */
export const API_SORTED_LIMIT = 1_000;
/** A page ends early after so many bytes, or so long; its `next` leads on. */
export const API_PAGE_BYTES = 8 << 20;
export const API_PAGE_MS = 2_000;
/** Requests that wait for an answer of the collector, at a time; more get 503. */
export const API_REQUEST_LIMIT = 32;
/** Pages of which a part waits to be read; one past it, the one that has waited longest is cut off. */
export const UNREAD_PAGE_LIMIT = 16;
/** Bytes of dashboard files held in memory. */
export const STATIC_BYTE_LIMIT = 16 << 20;
/** Bytes of a form with a token, and tries to log in that are looked at in a minute. */
export const LOGIN_BYTES = 1_024;
export const LOGINS_PER_MINUTE = 30;
export const PING_INTERVAL_MS = 10_000;
/** A client that has been silent for so long is cut off. */
export const SILENCE_LIMIT_MS = 30_000;
/** A request must be there whole within so long, an answer must go on being read. */
export const REQUEST_DEADLINE_MS = 10_000;
export const RESPONSE_DEADLINE_MS = 10_000;
export const KEEP_ALIVE_MS = 5_000;
/** How often deadlines of requests are looked at. */
export const DEADLINE_CHECK_MS = 1_000;

/** Rows the server process holds, those that changed last; the longest unchanged one goes. */
export const ROW_TABLE_LIMIT = 65_536;
/** Bytes that one of them takes, its texts and its JSON included; measured. */
export const ROW_HELD_BYTES = 3_072;
/** Looks at rows in one tick, of all clients together; each has its part, and this at least. */
export const LOOKS_PER_TICK = 131_072;
export const LOOKS_LEAST = 2_048;
/** How often the rows that come first in a client's order are looked for anew, milliseconds. */
export const REORDER_MS = 3_000;
/** Looks that a row takes where there is a filter, besides one for each of its terms. */
export const FILTERED_ROW_COST = 8;
/** Clients get their messages for so long, then others have their turn; the rest at the next tick. */
export const TICK_BUDGET_MS = 25;

/** Rows the collector makes in one tick. */
export const ROWS_PER_TICK = 1_000;
/** Changed flows that wait for their turn, of each kind; more are left until they change again. */
export const ROW_QUEUE_LIMIT = 131_072;
/** Ids of removed flows in one tick, and such that wait; past that all rows are sent anew. */
export const REMOVED_PER_TICK = 8_192;
export const REMOVED_PENDING_LIMIT = 65_536;
/** Kinds of encapsulation a row names. */
export const ROW_ENCAPSULATIONS = 4;

/** Addresses and ports of a cluster, named to the server process in one tick: some 5 ms of each end. */
export const CLUSTER_NAMES_PER_TICK = 4_096;

/** Bytes of one frame to the server process: a catalog is the largest. */
export const SERVER_FRAME_LIMIT = 16 << 20;
/** Bytes of one frame from it. */
export const COLLECTOR_FRAME_LIMIT = 64 << 10;
/** Bytes not yet taken by the server process, above which the collector sends nothing. */
export const CHANNEL_BACKLOG_LIMIT = 1 << 20;
/** Messages from the server process between two ticks; one that sends more is stopped. */
export const CHANNEL_MESSAGE_LIMIT = 2_048;
/** Questions that wait in the collector; while there are as many it reads no more. */
export const QUESTION_LIMIT = 256;
/** Flow records of one answer. */
export const RECORDS_PER_ANSWER = 8;
/** Flows passed over to find where a page begins, in one answer. */
export const STEPS_PER_ANSWER = 16_384;
/** Slots of flows looked at for groups, an order or a filter in one answer, and flows in one look at all. */
export const SLOTS_PER_ANSWER = 512;
export const SCANNED_FLOWS = 131_072;
/** Groupings, and orders, that are remembered between two answers; the one longest not asked for goes. */
export const SCAN_MEMORY = 16;
/** Share of its time the collector spends on answers. */
export const ANSWER_SHARE = 0.1;
/** What is not answered by then is not known. */
export const ANSWER_DEADLINE_MS = 2_000;
/** Heap of the server process with no rows and with all, MiB; beyond it ends and is started again. */
const SERVER_HEAP_LEAST_MIB = 64;
const SERVER_HEAP_MOST_MIB = 256;
/** What a row may take of it, with its garbage. */
const ROW_HEAP_BYTES = 1.5 * ROW_HELD_BYTES;
/** What names of a cluster may take of it besides. */
const NAMES_HEAP_MIB = CLUSTER_NAMES_BYTES >> 20;

/** Heap of the server process where it holds so many rows, MiB. */
export function serverHeapMib(rows: number): number {
  const mib = SERVER_HEAP_LEAST_MIB + Math.ceil((rows * ROW_HEAP_BYTES) / (1 << 20));
  return Math.min(mib, SERVER_HEAP_MOST_MIB) + NAMES_HEAP_MIB;
}

/** Of it, what is new; V8 takes three times as much, and by itself 16. */
export const SERVER_YOUNG_MIB = 4;

/** Rows that the server process holds in so many bytes. */
export function rowLimit(bytes = Number.POSITIVE_INFINITY): number {
  return Math.min(ROW_TABLE_LIMIT, Math.floor(bytes / ROW_HELD_BYTES));
}
/** Waits before the server process is started again. */
export const RESTART_LEAST_MS = 100;
export const RESTART_MOST_MS = 5_000;
/** It listens within so long, or is given up. */
export const START_DEADLINE_MS = 10_000;
/** After names have changed rows are looked through for them, so many at a time, so long apart, ms. */
export const RENAME_MS = 250;
export const RENAMED_SLOTS = 512;
export const RENAME_STEP_MS = 10;
