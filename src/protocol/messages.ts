import type { FlowRow, Rate } from './flow-row.js';
import type { QualityRecord } from './quality-record.js';
import type { FlowRecord, PathRecord } from './records.js';

/*
 * What the daemon and the dashboard say to each other over `/ws`, in JSON text frames.
 */

export type Mode = 'live' | 'replay' | 'demo';

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
  /** Flows in the daemon's table, whatever the filter, and how many of them have ended. */
  readonly total: number;
  readonly ended?: number;
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

/** Send only rows that match, see parse-filter.ts; empty for all. The rows are sent anew. */
export interface FilterMessage {
  readonly type: 'filter';
  readonly text: string;
}

/** Stop or resume `flows` messages; details and quality go on. */
export interface PauseMessage {
  readonly type: 'pause';
  readonly paused: boolean;
}

export type ClientMessage = SubscribeMessage | UnsubscribeMessage | FilterMessage | PauseMessage;
