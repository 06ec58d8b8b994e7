import { boolean, decimal, type Infer, list, type Seen, short, whole } from 'hopscope-protocol';
import * as v from 'valibot';
import { readMessage } from '../channel/message.js';
import { LOG_FORMATS, LOG_LEVELS } from '../logger.js';
import type { DecimalCounts } from '../model/decimal-counts.js';
import type { Sampling } from '../model/sampling.js';
import type { ConfiguredMtu } from '../mtu/configured-mtu.js';
import type { Catalog } from '../name/catalog.js';
import type { NameChange } from '../name/cluster-names.js';
import type { NameChoice } from '../provide/name-choice.js';
import type { HookDetail } from '../source/hook-places.js';
import type { SourceSampling } from '../source/source.js';
import type { RulesMessage } from './rules-crossing.js';

/*
 * What crosses between the process that observes and the one that joins: frames of
 * channel/frame.ts, JSON but for counts. Descriptors cross beside it, on a socket of their own,
 * before the message that announces them.
 */

// ---------------------------------------------------------------- to the observer

/** Bytes of one frame to the observer: it needs no large ones. */
export const OBSERVER_FRAME_LIMIT = 256 << 10;

const NAMES_LIMIT = 4_096;
const NAME_LENGTH = 256;
const PATH_LENGTH = 4_096;
const FILTER_LENGTH = 4_096;
const STATE_LENGTH = 4_096;
const RING_MOST = 1 << 30;
const U32_MOST = 2 ** 32 - 1;
/** What a service manager is told, as sd_notify(3) has it. */
const NOTIFICATION = /^(?:(?:READY=1|STOPPING=1|WATCHDOG=1|STATUS=[^\n]*)(?:\n|$))+$/u;

function upTo(most: number) {
  return v.custom<number>(
    (value) => typeof value === 'number' && value >= 0 && value <= most,
    `a number from 0 to ${most}`,
  );
}

const samplingSchema = v.variant('mode', [
  v.object({ mode: v.literal('all') }),
  v.object({ mode: v.literal('auto'), budget: upTo(100) }),
  v.object({ mode: v.literal('one-in'), oneIn: upTo(U32_MOST) }),
]) satisfies v.GenericSchema<unknown, Sampling>;

const nameChoiceSchema = v.object({
  file: v.nullable(short(PATH_LENGTH)),
  cri: v.nullable(list(short(PATH_LENGTH), NAMES_LIMIT)),
  docker: v.nullable(list(short(PATH_LENGTH), NAMES_LIMIT)),
  kubernetes: short(PATH_LENGTH),
  node: short(NAME_LENGTH),
}) satisfies v.GenericSchema<unknown, NameChoice>;

/** What is observed, and how. */
const OBSERVATION = {
  /** Names of the namespaces; null for all. */
  netns: v.nullable(list(short(NAME_LENGTH), NAMES_LIMIT)),
  sampling: samplingSchema,
  /** In pcap-filter syntax; null for none. */
  filter: v.nullable(short(FILTER_LENGTH)),
  ringBytes: upTo(RING_MOST),
  names: nameChoiceSchema,
  /** Whether every flow is counted. */
  count: boolean,
  /** Whether rules are read. */
  rules: boolean,
  /** Whether MTUs are audited. */
  audit: boolean,
  /** Whether there will be a server, whose own traffic is left out. */
  hasServer: boolean,
};
const observationSchema = v.object(OBSERVATION);
export type Observation = Infer<typeof observationSchema>;

/** The first message. It is taken once. */
const observeMessageSchema = v.object({
  type: v.literal('observe'),
  ...OBSERVATION,
  /** CLOCK_MONOTONIC, ns. */
  epochNs: decimal,
  log: v.object({ level: v.picklist(LOG_LEVELS), format: v.picklist(LOG_FORMATS) }),
});
export type ObserveMessage = Infer<typeof observeMessageSchema>;

const toObserverSchema = v.variant('type', [
  observeMessageSchema,
  /** The server's, once it was asked for. */
  v.object({ type: v.literal('port'), port: whole(65_535) }),
  /** Of a turn: what it brought has been dealt with. */
  v.object({ type: v.literal('read'), records: whole(), cpuMs: upTo(Number.MAX_SAFE_INTEGER) }),
  v.object({ type: v.literal('met'), netns: whole(U32_MOST) }),
  v.object({ type: v.literal('request') }),
  /** For the service manager. */
  v.object({
    type: v.literal('notify'),
    state: v.custom<string>(
      (value) =>
        typeof value === 'string' && value.length <= STATE_LENGTH && NOTIFICATION.test(value),
      'what goes to a service manager',
    ),
  }),
  /** Detach, and give what is left. */
  v.object({ type: v.literal('finish') }),
]);
export type ToObserver = Infer<typeof toObserverSchema>;

/**
 * Reads what the joiner sent, which parses what strangers send to this machine.
 *
 * @throws ChannelError `bad-message`
 */
export function parseToObserver(payload: Uint8Array): ToObserver {
  return readMessage(toObserverSchema, payload, 'the joiner');
}

// ---------------------------------------------------------------- to the joiner

/** What a source says of itself; see Source. */
export interface SourceStatus {
  readonly losses: DecimalCounts;
  readonly otherLosses: DecimalCounts;
  readonly handed: { readonly records: string; readonly hops: string; readonly bytes: string };
  readonly filtered: string;
  readonly own: string;
  readonly ringFill: number | null;
  readonly missing: readonly string[];
  readonly nameAges: Readonly<Record<string, number | null>>;
  readonly counted: number | null;
  readonly sampling: SourceSampling;
}

export interface FailedMessage {
  readonly type: 'failed';
  readonly code: string;
  readonly message: string;
  /** Whether its user asked for what there is not. */
  readonly isUsage: boolean;
  /** Null: it is no lack of the kernel or of privileges. */
  readonly remedy: string | null;
}

export type ToJoiner =
  /** Its descriptor: the ring. */
  | { readonly type: 'ring' }
  /** Its descriptors: as KernelFunctionLookup has them. */
  | { readonly type: 'functions'; readonly textEnd: string | null }
  | { readonly type: 'modules-changed' }
  /** The server's port is needed. */
  | { readonly type: 'ask-port' }
  | { readonly type: 'started' }
  | FailedMessage
  /** Read what is in the ring: so many bytes wait, and all that began before `now` is there. */
  | { readonly type: 'turn'; readonly now: string; readonly bytes: number }
  | {
      readonly type: 'window';
      readonly at: string;
      readonly sees: Seen;
      readonly detail: HookDetail;
    }
  | { readonly type: 'detail'; readonly at: string; readonly detail: HookDetail }
  | { readonly type: 'catalog'; readonly catalog: Catalog }
  | { readonly type: 'cluster-names'; readonly change: NameChange }
  | RulesMessage
  | { readonly type: 'audit'; readonly configured: ConfiguredMtu }
  | { readonly type: 'status'; readonly status: SourceStatus }
  | { readonly type: 'mode'; readonly mode: 'open' | 'windows' }
  /** All has been given. */
  | { readonly type: 'ended' }
  /** The command is asked to stop. */
  | { readonly type: 'stop'; readonly signal: string };

/** Bytes of one frame to the joiner: catalogs cross, and counts. */
export const JOINER_FRAME_LIMIT = 256 << 20;
