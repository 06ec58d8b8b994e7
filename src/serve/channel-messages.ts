import {
  boolean,
  FILTER_TEXT_LIMIT,
  type FlowHistoryRecord,
  type FlowRecord,
  type FlowRow,
  GROUPINGS,
  type GroupsAnswer,
  type HelloMessage,
  type Infer,
  list,
  longest,
  type MtuReport,
  PATHS_PER_FLOW,
  type PathRecord,
  type QualityRecord,
  rowOrderSchema,
  whole,
} from 'hopscope-protocol';
import * as v from 'valibot';
import { readMessage } from '../channel/message.js';
import type { NamespaceRecord } from '../model/feed.js';
import type { Catalog } from '../name/catalog.js';
import type { NameChange } from '../name/cluster-names.js';
import type { ChannelCounters } from './channel-counters.js';
import { API_FLOW_LIMIT, RECORDS_PER_ANSWER } from './limits.js';
import type { Access } from './listening.js';
import type { Load } from './load-meter.js';

/** What the dashboard says of the daemon it is connected to. */
export type HelloInfo = Pick<
  HelloMessage,
  'version' | 'node' | 'kernel' | 'mode' | 'description' | 'missing'
>;

// ---------------------------------------------------------------- to the server process

/** The first message: everything the server process knows of the machine it gets here. */
export interface StartMessage {
  readonly type: 'start';
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly allowHosts: readonly string[];
  /** Null on loopback, where there is no login. */
  readonly access: Access | null;
  readonly uiDirectory: string;
  readonly info: HelloInfo;
  readonly run: string;
  readonly epochNs: string;
  /** Rows that it may hold. */
  readonly rows: number;
}

/** Names have changed; of a catalog what rows need. */
export interface CatalogMessage {
  readonly type: 'catalog';
  readonly catalog: Catalog;
}

/** Names of a whole cluster have changed. */
export interface ClusterNamesMessage {
  readonly type: 'cluster-names';
  readonly change: NameChange;
}

/** What the collector's end of the channel did not send, since it started. */
export interface ChannelCounts extends Readonly<ChannelCounters> {
  /** Changed flows not sent until they change again, since the line was full. */
  readonly rowsSkipped: number;
  /** Times all rows were sent anew, since removals were forgotten. */
  readonly rowsRestarted: number;
  /** Lines that the collector could not write to its standard error. */
  readonly logLinesLost: number;
}

/** Once every SLOW_TICK_MS. */
export interface StatusMessage {
  readonly type: 'status';
  readonly quality: QualityRecord;
  readonly load: Load;
  readonly channel: ChannelCounts;
}

export interface FlowDetail {
  /** `null` when it is not in the table. */
  readonly flow: FlowRecord | null;
  /** As in FlowMessage, without rates. */
  readonly chain: readonly FlowRow[];
  /** Of its newest paths, newest first, at most PATHS_PER_FLOW. */
  readonly pathIds: readonly string[];
  /** Those of them that the question did not have, at most PATHS_PER_MESSAGE. */
  readonly paths: readonly PathRecord[];
}

export interface FlowsPart {
  readonly records: readonly FlowRecord[];
  /** Where the next part begins; `null` at the end. */
  readonly next: PagePosition | null;
  readonly total: number;
}

/** The first flows of an order. */
export interface FirstFlows {
  readonly ids: readonly string[];
  /** Flows that were looked at. */
  readonly looked: number;
  readonly total: number;
}

/** Groups of flows, the largest first, and what lies behind them. */
export interface GroupsPart {
  /** The newest that are whole; `null` while the first are looked for. */
  readonly groups: GroupsAnswer | null;
  /** Whether all flows were looked at since the newest began: else ask again to go on. */
  readonly isWhole: boolean;
}

export interface AnswerMessage {
  readonly type: 'answer';
  readonly number: number;
  readonly value:
    | FlowDetail
    | FlowsPart
    | FirstFlows
    | readonly FlowRecord[]
    | GroupsPart
    | FlowHistoryRecord
    | MtuReport
    | null
    | readonly NamespaceRecord[];
}

export interface StopMessage {
  readonly type: 'stop';
}

export type ToServer =
  | StartMessage
  | CatalogMessage
  | ClusterNamesMessage
  | StatusMessage
  | AnswerMessage
  | StopMessage;

// ---------------------------------------------------------------- to the collector

const ID_LENGTH = 128;
const TEXT_LENGTH = 1024;

const idSchema = longest(ID_LENGTH);

const listeningMessageSchema = v.object({
  type: v.literal('listening'),
  url: longest(TEXT_LENGTH),
  port: whole(65_535),
});
export type ListeningMessage = Infer<typeof listeningMessageSchema>;

/** It could not start, and ends. */
const failedMessageSchema = v.object({
  type: v.literal('failed'),
  code: idSchema,
  message: longest(TEXT_LENGTH),
});
export type FailedMessage = Infer<typeof failedMessageSchema>;

/** Whether rows are wanted; each time they are, all are sent anew. */
const watchMessageSchema = v.object({
  type: v.literal('watch'),
  watching: boolean,
});
export type WatchMessage = Infer<typeof watchMessageSchema>;

/** Where a page of flows begins: after this flow, in the order of change, the newest first. */
const pagePositionSchema = v.object({
  /** Flows changed before this one are meant: its number of change. */
  before: whole(),
  /** Where the look-up goes on. */
  id: idSchema,
});
export type PagePosition = Infer<typeof pagePositionSchema>;

const questionSchema = v.variant('about', [
  v.object({
    about: v.literal('flow'),
    id: idSchema,
    have: list(idSchema, PATHS_PER_FLOW),
  }),
  v.object({
    about: v.literal('flows'),
    from: v.nullable(pagePositionSchema),
    limit: whole(RECORDS_PER_ANSWER),
    filter: longest(FILTER_TEXT_LIMIT),
  }),
  /** The first of an order among the flows that match: their ids, once all were looked at. */
  v.object({
    about: v.literal('first'),
    filter: longest(FILTER_TEXT_LIMIT),
    order: rowOrderSchema,
    limit: whole(API_FLOW_LIMIT),
  }),
  /** Those of these flows that are still there. */
  v.object({ about: v.literal('records'), ids: list(idSchema, RECORDS_PER_ANSWER) }),
  v.object({ about: v.literal('history'), id: idSchema }),
  /** Of flows that match the filter. */
  v.object({
    about: v.literal('groups'),
    by: v.picklist(GROUPINGS),
    filter: longest(FILTER_TEXT_LIMIT),
  }),
  v.object({ about: v.literal('namespaces') }),
  v.object({ about: v.literal('mtu') }),
]);
export type Question = Infer<typeof questionSchema>;

const askMessageSchema = v.object({
  type: v.literal('ask'),
  number: whole(),
  question: questionSchema,
});
export type AskMessage = Infer<typeof askMessageSchema>;

const toCollectorSchema = v.variant('type', [
  listeningMessageSchema,
  failedMessageSchema,
  watchMessageSchema,
  askMessageSchema,
]);
export type ToCollector = Infer<typeof toCollectorSchema>;

/**
 * Reads what the server process sent. It answers the network.
 *
 * @throws ChannelError `bad-message`
 */
export function parseToCollector(payload: Uint8Array): ToCollector {
  return readMessage(toCollectorSchema, payload, 'the server process');
}
