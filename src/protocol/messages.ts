import * as v from 'valibot';
import { flowHistorySchema } from './flow-history.js';
import { flowRecordSchema } from './flow-record.js';
import { flowRowSchema, rateSchema } from './flow-row.js';
import { GROUPINGS, groupsAnswerSchema } from './groups.js';
import {
  CHAIN_LIMIT,
  FILTER_TEXT_LIMIT,
  FLOW_ID_LIMIT,
  GROUPING_LIMIT,
  PATHS_PER_FLOW,
  PATHS_PER_MESSAGE,
  ROWS_PER_MESSAGE,
} from './limits.js';
import { pathRecordSchema } from './path-record.js';
import { qualityRecordSchema } from './quality-record.js';
import { rowOrderSchema } from './row-order.js';
import { boolean, decimal, type Infer, list, longest, number, short, string } from './scalars.js';

/*
 * What the daemon and the dashboard say to each other over `/ws`, in JSON text frames.
 */
export const modeSchema = v.picklist(['live', 'replay', 'demo']);
export type Mode = Infer<typeof modeSchema>;

export const helloMessageSchema = v.object({
  type: v.literal('hello'),
  protocol: number,
  /** hopscope's own version. */
  version: string,
  /** Differs for each run of the daemon: after a restart nothing known before is valid. */
  run: string,
  node: string,
  kernel: string,
  mode: modeSchema,
  /** What is being shown, in a sentence. */
  description: string,
  missing: v.array(string),
});
export type HelloMessage = Infer<typeof helloMessageSchema>;

export const flowsMessageSchema = v.object({
  type: v.literal('flows'),
  /** Forget every row known before. */
  reset: boolean,
  rows: list(flowRowSchema, ROWS_PER_MESSAGE),
  removed: v.array(string),
  /** Flows in the daemon's table, whatever the filter, and how many of them have ended. */
  total: number,
  ended: v.exactOptional(number),
  /** Changed rows that wait for the next tick because this message was full. */
  behind: number,
  /** The feed's time, wall-clock nanoseconds: of the recording when one is replayed. */
  now: decimal,
});
export type FlowsMessage = Infer<typeof flowsMessageSchema>;

export const flowMessageSchema = v.object({
  type: v.literal('flow'),
  id: string,
  /** `null` once the flow has left the daemon's table. */
  flow: v.nullable(flowRecordSchema),
  rates: v.nullable(
    v.object({
      original: rateSchema,
      reply: rateSchema,
    }),
  ),
  /**
   * The flows of its chain through proxies in order, this one among them: those it was
   * opened for before it, those opened for it after it. Empty without a chain.
   */
  chain: list(flowRowSchema, CHAIN_LIMIT),
  /** What the client knows with this message, newest first, at most `PATHS_PER_FLOW`. */
  pathIds: list(string, PATHS_PER_FLOW),
  /** Those of `pathIds` that no message before brought. */
  paths: list(pathRecordSchema, PATHS_PER_MESSAGE),
  now: decimal,
});
export type FlowMessage = Infer<typeof flowMessageSchema>;

/** What a flow did before it was subscribed; sent once with each subscription. */
export const historyMessageSchema = v.object({
  type: v.literal('history'),
  id: string,
  /** `null` where nothing is kept. */
  history: v.nullable(flowHistorySchema),
});
export type HistoryMessage = Infer<typeof historyMessageSchema>;

const groupingSchema = v.object({ by: v.picklist(GROUPINGS), filter: longest(FILTER_TEXT_LIMIT) });

/** One of the groupings that the client looks at. */
export const groupsMessageSchema = v.object({
  type: v.literal('groups'),
  ...groupingSchema.entries,
  ...groupsAnswerSchema.entries,
  now: decimal,
});
export type GroupsMessage = Infer<typeof groupsMessageSchema>;

export const qualityMessageSchema = v.object({
  type: v.literal('quality'),
  quality: qualityRecordSchema,
  clients: number,
});
export type QualityMessage = Infer<typeof qualityMessageSchema>;

export const errorMessageSchema = v.object({
  type: v.literal('error'),
  code: string,
  message: string,
});
export type ErrorMessage = Infer<typeof errorMessageSchema>;

export type ServerMessage =
  | HelloMessage
  | FlowsMessage
  | FlowMessage
  | HistoryMessage
  | GroupsMessage
  | QualityMessage
  | ErrorMessage;

export const subscribeMessageSchema = v.object({
  type: v.literal('subscribe'),
  id: short(FLOW_ID_LIMIT),
});
export type SubscribeMessage = Infer<typeof subscribeMessageSchema>;

export const unsubscribeMessageSchema = v.object({
  type: v.literal('unsubscribe'),
  id: short(FLOW_ID_LIMIT),
});
export type UnsubscribeMessage = Infer<typeof unsubscribeMessageSchema>;

/** Send only rows that match, see parse-filter.ts; empty for all. The rows are sent anew. */
export const filterMessageSchema = v.object({
  type: v.literal('filter'),
  text: longest(FILTER_TEXT_LIMIT),
  /**
   * Send the ROW_WINDOW rows that come first in this order, over all flows; without it those that
   * changed last. What comes into them, or leaves them, follows.
   */
  order: v.exactOptional(rowOrderSchema),
});
export type FilterMessage = Infer<typeof filterMessageSchema>;

/** Stop or resume `flows` messages; details and quality go on. */
export const pauseMessageSchema = v.object({
  type: v.literal('pause'),
  paused: boolean,
});
export type PauseMessage = Infer<typeof pauseMessageSchema>;

/** Which groupings to send, in place of those asked for before. */
export const groupMessageSchema = v.object({
  type: v.literal('group'),
  groupings: list(groupingSchema, GROUPING_LIMIT),
});
export type GroupMessage = Infer<typeof groupMessageSchema>;

export type ClientMessage =
  | SubscribeMessage
  | UnsubscribeMessage
  | FilterMessage
  | GroupMessage
  | PauseMessage;
