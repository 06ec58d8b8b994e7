import {
  FILTER_TEXT_LIMIT,
  type FlowHistoryRecord,
  type FlowRecord,
  type FlowRow,
  GROUPINGS,
  type Grouping,
  type GroupsAnswer,
  type HelloMessage,
  type MtuReport,
  PATHS_PER_FLOW,
  type PathRecord,
  type QualityRecord,
} from 'hopscope-protocol';
import { ChannelError, jsonOf } from '../channel/frame.js';
import type { NamespaceRecord } from '../model/feed.js';
import type { Catalog } from '../name/catalog.js';
import type { NameChange } from '../name/cluster-names.js';
import type { ChannelCounters } from './channel-counters.js';
import { RECORDS_PER_ANSWER } from './limits.js';
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

/** Where a page of flows begins: after this flow, in the order of change, the newest first. */
export interface PagePosition {
  /** Flows changed before this one are meant: its number of change. */
  readonly before: number;
  /** Where the look-up goes on. */
  readonly id: string;
}

export interface FlowsPart {
  readonly records: readonly FlowRecord[];
  /** Where the next part begins; `null` at the end. */
  readonly next: PagePosition | null;
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

export interface ListeningMessage {
  readonly type: 'listening';
  readonly url: string;
  readonly port: number;
}

/** It could not start, and ends. */
export interface FailedMessage {
  readonly type: 'failed';
  readonly code: string;
  readonly message: string;
}

/** Whether rows are wanted; each time they are, all are sent anew. */
export interface WatchMessage {
  readonly type: 'watch';
  readonly watching: boolean;
}

export type Question =
  | { readonly about: 'flow'; readonly id: string; readonly have: readonly string[] }
  | {
      readonly about: 'flows';
      readonly from: PagePosition | null;
      /** At most RECORDS_PER_ANSWER. */
      readonly limit: number;
    }
  | { readonly about: 'history'; readonly id: string }
  /** Of flows that match the filter. */
  | { readonly about: 'groups'; readonly by: Grouping; readonly filter: string }
  | { readonly about: 'namespaces' }
  | { readonly about: 'mtu' };

export interface AskMessage {
  readonly type: 'ask';
  readonly number: number;
  readonly question: Question;
}

export type ToCollector = ListeningMessage | FailedMessage | WatchMessage | AskMessage;

const ID_LENGTH = 128;
const TEXT_LENGTH = 1024;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads what the server process sent. It answers the network and may one day be
 * somebody else's, so nothing is taken on trust.
 *
 * @throws ChannelError `bad-message`
 */
export function parseToCollector(payload: Uint8Array): ToCollector {
  let value: unknown;
  try {
    value = jsonOf(payload);
  } catch {
    throw bad('it is not JSON');
  }
  const message = fields(value);
  switch (message['type']) {
    case 'listening':
      return {
        type: 'listening',
        url: text(message['url'], TEXT_LENGTH),
        port: whole(message['port'], 65_535),
      };
    case 'failed':
      return {
        type: 'failed',
        code: text(message['code'], ID_LENGTH),
        message: text(message['message'], TEXT_LENGTH),
      };
    case 'watch':
      if (typeof message['watching'] !== 'boolean') throw bad('watching is not a boolean');
      return { type: 'watch', watching: message['watching'] };
    case 'ask':
      return {
        type: 'ask',
        number: whole(message['number'], Number.MAX_SAFE_INTEGER),
        question: question(fields(message['question'])),
      };
    default:
      throw bad('its type is not known');
  }
}

function question(asked: Fields): Question {
  switch (asked['about']) {
    case 'flow': {
      const have = asked['have'];
      if (!Array.isArray(have) || have.length > PATHS_PER_FLOW) throw bad('have is not a list');
      return {
        about: 'flow',
        id: text(asked['id'], ID_LENGTH),
        have: have.map((id) => text(id, ID_LENGTH)),
      };
    }
    case 'flows':
      return {
        about: 'flows',
        from: asked['from'] === null ? null : position(fields(asked['from'])),
        limit: whole(asked['limit'], RECORDS_PER_ANSWER),
      };
    case 'history':
      return { about: 'history', id: text(asked['id'], ID_LENGTH) };
    case 'groups': {
      const by = GROUPINGS.find((one) => one === asked['by']);
      if (by === undefined) throw bad('it groups by nothing known');
      return { about: 'groups', by, filter: text(asked['filter'], FILTER_TEXT_LIMIT) };
    }
    case 'namespaces':
    case 'mtu':
      return { about: asked['about'] };
    default:
      throw bad('it is a question about nothing known');
  }
}

function position(from: Fields): PagePosition {
  return {
    before: whole(from['before'], Number.MAX_SAFE_INTEGER),
    id: text(from['id'], ID_LENGTH),
  };
}

function fields(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad('it is not an object');
  }
  return value as Fields;
}

function text(value: unknown, limit: number): string {
  if (typeof value !== 'string' || value.length > limit) throw bad('it has no proper text');
  return value;
}

function whole(value: unknown, limit: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > limit) {
    throw bad('it has no proper number');
  }
  return value as number;
}

function bad(why: string): ChannelError {
  return new ChannelError('bad-message', `a message of the server process: ${why}`);
}
