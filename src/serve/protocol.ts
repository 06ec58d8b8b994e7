/**
 * What the daemon and the dashboard say to each other over `/ws`, in JSON text frames.
 * Both sides import it, and with it how its messages are read (`client-message.ts`,
 * `server-message.ts`) and what its rows mean (`row-filter.ts`, `endpoint-text.ts`,
 * `path-direction.ts`, `flow-tags.ts`): daemon and browser must agree on which rows a filter leaves.
 *
 * A change that an older reader would misread raises `PROTOCOL_VERSION`; a new
 * optional field does not.
 */
import type { QualityRecord } from '../model/feed.js';
import type { EncapsulationType, FlowRecord, MtuVerdict, PathRecord } from '../model/records.js';
import { TAG_FIELDS } from './flow-tags.js';

export const PROTOCOL_VERSION = 1;

/**
 * How often the daemon sends changed rows, in milliseconds: with the 100 ms that a packet
 * may take to the flow table, a change is on the page within 250 ms.
 */
export const TICK_MS = 100;
/** How often it sends details and quality, and measures rates, in milliseconds. */
export const SLOW_TICK_MS = 1000;
/** Rows one `flows` message holds at most; the rest follow at the next tick. */
export const ROWS_PER_MESSAGE = 1000;
/** Rows a client is sent when it starts anew, those that changed last, and keeps at most. */
export const ROW_WINDOW = 5000;
/** Flows whose detail one client may follow at a time. */
export const SUBSCRIPTION_LIMIT = 4;
/** Newest finished paths of a followed flow that a client is told of. */
export const PATHS_PER_FLOW = 24;
/** Paths one message brings at most: each may have a hundred hops. */
export const PATHS_PER_MESSAGE = 8;
/** Flows of one chain through proxies that are told of at most. */
export const CHAIN_LIMIT = 17;
/** Bytes of one client message. */
export const CLIENT_MESSAGE_LIMIT = 8192;
/** Terms of one filter. */
export const FILTER_TERM_LIMIT = 32;
/** Characters of one term's value. */
export const FILTER_TEXT_LIMIT = 256;
/** Characters of a flow's id. */
export const FLOW_ID_LIMIT = 128;

export type Mode = 'live' | 'replay' | 'demo';

/**
 * What became of a flow's packets: `lossy` means that some were dropped while the
 * newest known one was not.
 */
export type RowVerdict = 'delivered' | 'forwarded' | 'lossy' | 'dropped' | 'unknown';

export interface Endpoint {
  readonly address: string;
  readonly port: number | null;
}

/** One flow as the table shows it. Rates are over a second or more, `null` when not known yet. */
export interface FlowRow {
  readonly id: string;
  readonly state: string;
  /** Wall-clock nanoseconds since the epoch. */
  readonly start: string;
  readonly last: string;
  readonly proto: string;
  readonly service: string | null;
  readonly srcName: string | null;
  readonly srcNode: string | null;
  readonly src: Endpoint;
  /** Where the source sent it. */
  readonly dst: Endpoint;
  readonly dstName: string | null;
  readonly dstNode: string | null;
  /** Whether an answer was seen; else translations are not known, whatever these two say. */
  readonly answered: boolean;
  /** Translated destination, `null` when it stayed as sent. */
  readonly dnat: Endpoint | null;
  /** Translated source, `null` when it stayed as sent. */
  readonly snat: Endpoint | null;
  readonly verdict: RowVerdict;
  readonly dropReason: string | null;
  readonly drops: string;
  readonly encapsulation: readonly {
    readonly type: EncapsulationType;
    readonly overhead: number;
  }[];
  readonly mtu: MtuVerdict;
  readonly packets: string;
  readonly bytes: string;
  readonly packetsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
  /** Nanoseconds from first to last hop in the original direction. */
  readonly p50: number | null;
  readonly p99: number | null;
  /** What is known of its ends, one `field:value` each: see flow-tags.ts. Absent where nothing is. */
  readonly tags?: readonly string[] | undefined;
}

export interface Rate {
  readonly packetsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
}

export interface HelloMessage {
  readonly type: 'hello';
  readonly protocol: number;
  /** hopscope's own version. */
  readonly version: string;
  /** Differs for each run of the daemon: after a restart nothing known before is valid. */
  readonly run: string;
  readonly node: string;
  readonly kernel: string;
  readonly mode: Mode;
  /** What is being shown, in a sentence. */
  readonly description: string;
  readonly missing: readonly string[];
}

export interface FlowsMessage {
  readonly type: 'flows';
  /** Forget every row known before. */
  readonly reset: boolean;
  readonly rows: readonly FlowRow[];
  readonly removed: readonly string[];
  /** Flows in the daemon's table, whatever the filter. */
  readonly total: number;
  /** Changed rows that wait for the next tick because this message was full. */
  readonly behind: number;
  /** The feed's time, wall-clock nanoseconds: of the recording when one is replayed. */
  readonly now: string;
}

export interface FlowMessage {
  readonly type: 'flow';
  readonly id: string;
  /** `null` once the flow has left the daemon's table. */
  readonly flow: FlowRecord | null;
  readonly rates: { readonly original: Rate; readonly reply: Rate } | null;
  /**
   * The flows of its chain through proxies in order, this one among them: those it was
   * opened for before it, those opened for it after it. Empty without a chain.
   */
  readonly chain: readonly FlowRow[];
  /** What the client knows with this message, newest first, at most `PATHS_PER_FLOW`. */
  readonly pathIds: readonly string[];
  /** Those of `pathIds` that no message before brought. */
  readonly paths: readonly PathRecord[];
  readonly now: string;
}

export interface QualityMessage {
  readonly type: 'quality';
  readonly quality: QualityRecord;
  readonly clients: number;
}

export interface ErrorMessage {
  readonly type: 'error';
  readonly code: string;
  readonly message: string;
}

export type ServerMessage =
  | HelloMessage
  | FlowsMessage
  | FlowMessage
  | QualityMessage
  | ErrorMessage;

export interface SubscribeMessage {
  readonly type: 'subscribe';
  readonly id: string;
}

export interface UnsubscribeMessage {
  readonly type: 'unsubscribe';
  readonly id: string;
}

export const FILTER_FIELDS = [
  'src',
  'dst',
  'to',
  'port',
  'proto',
  'service',
  'state',
  'verdict',
  'reason',
  'encap',
  'node',
  'mtu',
  'id',
  ...TAG_FIELDS,
] as const;
export type FilterField = (typeof FILTER_FIELDS)[number];

/** One condition. Without a field, `value` may stand anywhere in the row. */
export interface FilterTerm {
  readonly field: FilterField | null;
  readonly value: string;
  readonly negate: boolean;
}

export function isFilterField(name: string): name is FilterField {
  return (FILTER_FIELDS as readonly string[]).includes(name);
}

/** Send only rows that match; no terms for all. The rows are sent anew. */
export interface FilterMessage {
  readonly type: 'filter';
  readonly terms: readonly FilterTerm[];
}

/** Stop or resume `flows` messages; details and quality go on. */
export interface PauseMessage {
  readonly type: 'pause';
  readonly paused: boolean;
}

export type ClientMessage = SubscribeMessage | UnsubscribeMessage | FilterMessage | PauseMessage;
