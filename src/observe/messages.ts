import type { Seen } from 'hopscope-protocol';
import { jsonOf } from '../channel/frame.js';
import {
  decimal,
  list,
  Mismatch,
  nullable,
  number,
  object,
  oneOf,
  short,
  string,
} from '../channel/untrusted-value.js';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../logger.js';
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

/** What is observed, and how. */
export interface Observation {
  /** Names of the namespaces; null for all. */
  readonly netns: readonly string[] | null;
  readonly sampling: Sampling;
  /** In pcap-filter syntax; null for none. */
  readonly filter: string | null;
  readonly ringBytes: number;
  readonly names: NameChoice;
  /** Whether every flow is counted. */
  readonly count: boolean;
  /** Whether rules are read. */
  readonly rules: boolean;
  /** Whether MTUs are audited. */
  readonly audit: boolean;
}

/** The first message. It is taken once. */
export interface ObserveMessage extends Observation {
  readonly type: 'observe';
  /** CLOCK_MONOTONIC, ns. */
  readonly epochNs: string;
  /** Whether there will be a server, whose own traffic is left out. */
  readonly hasServer: boolean;
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
}

export type ToObserver =
  | ObserveMessage
  /** The server's, once it was asked for. */
  | { readonly type: 'port'; readonly port: number }
  /** Of a turn: what it brought has been dealt with. */
  | { readonly type: 'read'; readonly records: number; readonly cpuMs: number }
  | { readonly type: 'met'; readonly netns: number }
  | { readonly type: 'request' }
  /** For the service manager. */
  | { readonly type: 'notify'; readonly state: string }
  /** Detach, and give what is left. */
  | { readonly type: 'finish' };

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

/** Bytes of one frame to the observer: it needs no large ones. */
export const OBSERVER_FRAME_LIMIT = 256 << 10;
/** The other way catalogs cross, and counts. */
export const JOINER_FRAME_LIMIT = 256 << 20;

const NAMES_LIMIT = 4_096;
const NAME_LENGTH = 256;
const PATH_LENGTH = 4_096;
const FILTER_LENGTH = 4_096;
const STATE_LENGTH = 4_096;
const RING_MOST = 1 << 30;
const NUMBER_MOST = 2 ** 53 - 1;

function upTo(most: number) {
  return (value: unknown, at: string): number => {
    const given = number(value, at);
    if (given < 0 || given > most) throw new Mismatch(`${at} is not from 0 to ${most}`);
    return given;
  };
}

function sampling(value: unknown, at: string): Sampling {
  const given = object(value, at);
  const mode = oneOf('all', 'auto', 'one-in')(given['mode'], `${at}.mode`);
  if (mode === 'all') return { mode };
  if (mode === 'auto') return { mode, budget: upTo(100)(given['budget'], `${at}.budget`) };
  return { mode, oneIn: upTo(2 ** 32 - 1)(given['oneIn'], `${at}.oneIn`) };
}

function names(value: unknown, at: string): NameChoice {
  const { file, cri, kubernetes, node } = object(value, at);
  return {
    file: nullable(short(PATH_LENGTH))(file, `${at}.file`),
    cri: nullable(list(short(PATH_LENGTH), NAMES_LIMIT))(cri, `${at}.cri`),
    kubernetes: short(PATH_LENGTH)(kubernetes, `${at}.kubernetes`),
    node: short(NAME_LENGTH)(node, `${at}.node`),
  };
}

/**
 * Reads what the joiner sent: it parses what strangers send to this machine, and may one day be
 * theirs, so nothing is taken on trust.
 *
 * @throws Mismatch
 */
export function parseToObserver(payload: Uint8Array): ToObserver {
  let value: unknown;
  try {
    value = jsonOf(payload);
  } catch {
    throw new Mismatch('it is not JSON');
  }
  const given = object(value, 'it');
  const types = ['observe', 'port', 'read', 'met', 'request', 'notify', 'finish'] as const;
  const type = oneOf(...types)(given['type'], 'type');
  switch (type) {
    case 'observe': {
      const { netns, filter, log } = given;
      const logging = object(log, 'log');
      return {
        type,
        netns: nullable(list(short(NAME_LENGTH), NAMES_LIMIT))(netns, 'netns'),
        sampling: sampling(given['sampling'], 'sampling'),
        filter: nullable(short(FILTER_LENGTH))(filter, 'filter'),
        ringBytes: upTo(RING_MOST)(given['ringBytes'], 'ringBytes'),
        names: names(given['names'], 'names'),
        count: given['count'] === true,
        rules: given['rules'] === true,
        audit: given['audit'] === true,
        epochNs: decimal(given['epochNs'], 'epochNs'),
        hasServer: given['hasServer'] === true,
        log: {
          level: oneOf(...LOG_LEVELS)(logging['level'], 'log.level'),
          format: oneOf(...LOG_FORMATS)(logging['format'], 'log.format'),
        },
      };
    }
    case 'port':
      return { type, port: upTo(65_535)(given['port'], 'port') };
    case 'read':
      return {
        type,
        records: upTo(NUMBER_MOST)(given['records'], 'records'),
        cpuMs: upTo(NUMBER_MOST)(given['cpuMs'], 'cpuMs'),
      };
    case 'met':
      return { type, netns: upTo(2 ** 32 - 1)(given['netns'], 'netns') };
    case 'notify': {
      const state = string(given['state'], 'state');
      const known = /^(?:(?:READY=1|STOPPING=1|WATCHDOG=1|STATUS=[^\n]*)(?:\n|$))+$/u;
      if (state.length > STATE_LENGTH || !known.test(state)) {
        throw new Mismatch('state is nothing that goes to a service manager');
      }
      return { type, state };
    }
    default:
      return { type };
  }
}
