import { type ParseArgsConfig, parseArgs } from 'node:util';
import { compilePacketFilter } from 'ebpf-ts';
import { type ParsedFilter, parseFilter } from 'hopscope-protocol';
import { PacketFilter } from '../filter/packet-filter.js';
import { LOG_FORMATS, LOG_LEVELS } from '../logger.js';
import { UsageError } from '../model/errors.js';
import {
  MEMORY_DEFAULT,
  MEMORY_LEAST,
  MEMORY_MOST,
  type MemoryBudget,
  shareOut,
} from '../model/memory-budget.js';
import { DEFAULT_BUDGET, SAMPLE_ALL, type Sampling } from '../model/sampling.js';
import type { NameChoice } from '../provide/name-choice.js';
import { NAME_OPTIONS, nameOptions, type ParsedNames } from './name-options.js';
import { choice, type Options } from './option.js';
import { usableMemory } from './usable-memory.js';

const MIB = 2 ** 20;

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/u;
const SAMPLE = /^(?:auto|all|1\/(\d{1,7}))$/u;
const BUDGET = /^(\d{1,4}(?:\.\d+)?)%?$/u;
const MEMORY = /^(\d{1,15}(?:\.\d{1,6})?)([KMGkmg])?(?:[iI]?[bB])?$/u;

/** Options that every observing command takes. */
export const COMMON_OPTIONS = {
  duration: {
    type: 'string',
    takes: 'TIME',
    help: 'stop by itself after TIME: 10s, 500ms, 5m, 1h',
    file: { type: ['string', 'number'], pattern: DURATION.source, exclusiveMinimum: 0 },
    read: parseDuration,
  },
  filter: {
    type: 'string',
    short: 'f',
    takes: 'EXPR',
    help: 'only what matches EXPR, in pcap-filter(7) syntax, on any device or inside any tunnel; may be given without -f',
    file: { type: 'string' },
    read: (text: string) => new PacketFilter(text, compilePacketFilter),
  },
  netns: {
    type: 'string',
    multiple: true,
    takes: 'NAME',
    help: 'observe only this network namespace; repeatable',
    file: { type: 'string' },
    read: (text: string) => text,
  },
  ...NAME_OPTIONS,
  sample: {
    type: 'string',
    takes: 'RATE',
    help: 'packets traced: auto (the default): every one while that is cheap, else those of short windows; all; or 1/N: one in N. Drops are always seen, and counts of flows are exact',
    file: { type: 'string', pattern: SAMPLE.source },
    read: (text: string) => parseSampling(text, undefined),
  },
  'cpu-budget': {
    type: 'string',
    takes: 'PERCENT',
    help: `of one core, that auto may take; ${DEFAULT_BUDGET * 100} by default`,
    file: {
      type: ['string', 'number'],
      pattern: BUDGET.source,
      exclusiveMinimum: 0,
      exclusiveMaximum: 10_000,
    },
    read: parseBudget,
  },
  memory: {
    type: 'string',
    takes: 'SIZE',
    help: `resident memory of all its processes, ${MEMORY_LEAST / MIB}M or more: 512M (the default), 1G. Past it the oldest is removed, and counted`,
    file: {
      type: ['string', 'integer'],
      pattern: MEMORY.source,
      minimum: MEMORY_LEAST,
      maximum: MEMORY_MOST,
    },
    read: parseMemory,
  },
  json: { type: 'boolean', help: '', file: { type: 'boolean' } },
  'log-level': {
    type: 'string',
    takes: 'LEVEL',
    help: 'what is said on standard error: error, warn, info (the default), debug',
    ...choice(LOG_LEVELS, 'BAD_LOG_LEVEL', 'a level'),
  },
  'log-format': {
    type: 'string',
    takes: 'FORMAT',
    help: 'text (the default), or json: one object a line',
    ...choice(LOG_FORMATS, 'BAD_LOG_FORMAT', 'a format'),
  },
  config: {
    type: 'string',
    takes: 'FILE',
    help: 'options from FILE, YAML or JSON, by their long names; the command line wins. hopscope config says more',
    file: null,
  },
  help: { type: 'boolean', short: 'h', help: 'this text', file: null },
} as const satisfies Options;

/** The same with --json, for commands that print records. */
export const RECORD_OPTIONS = {
  ...COMMON_OPTIONS,
  json: { ...COMMON_OPTIONS.json, help: 'JSON Lines instead of text' },
  'filter-names': {
    type: 'string',
    takes: 'EXPR',
    help: 'only flows that match EXPR, as in the filter box of the dashboard: pod: ns: svc: workload: label:app=nginx node: and the others, p99>1ms, 10.0.0.0/8, OR, NOT',
    file: { type: 'string' },
    read: parseNameFilter,
  },
} as const satisfies Options;

export interface CommonOptions {
  /** Milliseconds, or null to go on until interrupted. */
  readonly durationMs: number | null;
  readonly filter: PacketFilter | null;
  readonly netns: readonly string[] | null;
  readonly names: NameChoice;
  readonly sampling: Sampling;
  /** Bytes by part. */
  readonly memory: MemoryBudget;
  readonly json: boolean;
}

interface ParsedCommon extends ParsedNames {
  readonly duration?: string;
  readonly filter?: string;
  readonly netns?: string[];
  readonly sample?: string;
  readonly 'cpu-budget'?: string;
  readonly memory?: string;
  readonly json?: boolean;
}

/** @throws UsageError `BAD_FILTER_NAMES` */
export function parseNameFilter(text: string): ParsedFilter {
  const filter = parseFilter(text);
  const [problem] = filter.problems;
  if (problem !== undefined) {
    const where = `at character ${problem.at + 1}`;
    throw new UsageError('BAD_FILTER_NAMES', `--filter-names, ${where}: ${problem.message}`);
  }
  if (filter.node === null) {
    throw new UsageError('BAD_FILTER_NAMES', 'the filter of names is empty (try ns:default)');
  }
  return filter;
}

/** Like util.parseArgs, with errors that the command line shows as usage errors. */
export function parse<T extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: T,
): ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true; strict: true }>
> {
  try {
    const how = { allowPositionals: true, strict: true, allowNegative: true } as const;
    return parseArgs({ args: [...args], options, ...how });
  } catch (error) {
    throw new UsageError('BAD_OPTION', error instanceof Error ? error.message : String(error));
  }
}

export function commonOptions(values: ParsedCommon): CommonOptions {
  return {
    durationMs:
      values.duration === undefined ? null : COMMON_OPTIONS.duration.read(values.duration),
    filter: values.filter === undefined ? null : COMMON_OPTIONS.filter.read(values.filter),
    netns: values.netns ?? null,
    names: nameOptions(values),
    sampling: parseSampling(values.sample ?? 'auto', values['cpu-budget']),
    memory: shareOut(
      usableMemory(
        values.memory === undefined ? MEMORY_DEFAULT : COMMON_OPTIONS.memory.read(values.memory),
      ),
    ),
    json: values.json ?? false,
  };
}

/** Options of a command whose arguments are a filter. */
export function filteredOptions(
  values: ParsedCommon,
  positionals: readonly string[],
): CommonOptions {
  const expression = positionals.join(' ');
  if (expression !== '' && values.filter !== undefined) {
    throw new UsageError('TWO_FILTERS', 'give the filter once: with --filter or as arguments');
  }
  return commonOptions({ ...values, ...(expression === '' ? {} : { filter: expression }) });
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** `10s`, `500ms`, `5m`, `1h`, or seconds without a unit; in milliseconds. */
export function parseDuration(text: string): number {
  const match = DURATION.exec(text);
  const amount = Number(match?.[1]);
  const ms = amount * (UNIT_MS[match?.[2] ?? 's'] ?? Number.NaN);
  if (match === null || !(ms > 0) || ms > 2 ** 31 - 1) {
    throw new UsageError('BAD_DURATION', `not a duration: ${text} (try 10s, 500ms, 5m)`);
  }
  return ms;
}

/** Of how many packets one is taken where the budget of a running kernel is no matter. */
export function oneInOf(sampling: Sampling): number {
  return sampling.mode === 'one-in' ? sampling.oneIn : 1;
}

/** `all`, `auto` with its budget in percent of one core, or `1/N`. */
export function parseSampling(sample: string, budget: string | undefined): Sampling {
  if (budget !== undefined && sample !== 'auto') {
    throw new UsageError('BUDGET_UNUSED', '--cpu-budget is for --sample auto alone');
  }
  if (sample === 'auto') {
    return { mode: 'auto', budget: budget === undefined ? DEFAULT_BUDGET : parseBudget(budget) };
  }
  if (sample === 'all') {
    return SAMPLE_ALL;
  }
  const n = Number(SAMPLE.exec(sample)?.[1] ?? 0);
  if (n < 1) {
    throw new UsageError('BAD_SAMPLE', `not a sampling rate: ${sample} (all, auto, or 1/N)`);
  }
  return n === 1 ? SAMPLE_ALL : { mode: 'one-in', oneIn: n };
}

/** Percent of one core, more than 100 with several; as a share. */
export function parseBudget(text: string): number {
  const percent = Number(BUDGET.exec(text)?.[1] ?? 0);
  if (!(percent > 0)) {
    throw new UsageError('BAD_BUDGET', `not a budget: ${text} (percent of one core, such as 5)`);
  }
  return percent / 100;
}

const UNIT_BYTES: Readonly<Record<string, number>> = { K: 2 ** 10, M: MIB, G: 2 ** 30 };

/** `512M`, `1G`, `1.5G`, `524288K`, with `iB` or `B` after it or not, or bytes; in bytes. */
export function parseMemory(text: string): number {
  const match = MEMORY.exec(text);
  const unit = match?.[2]?.toUpperCase();
  const bytes = Math.floor(Number(match?.[1]) * (unit === undefined ? 1 : (UNIT_BYTES[unit] ?? 0)));
  if (match === null || !(bytes > 0) || bytes > MEMORY_MOST) {
    throw new UsageError('BAD_MEMORY', `not a size: ${text} (try 512M or 1G)`);
  }
  if (bytes < MEMORY_LEAST) {
    throw new UsageError(
      'BAD_MEMORY',
      `--memory ${text} is too little: Node and hopscope alone take most of ${MEMORY_LEAST / MIB}M, the least there is`,
    );
  }
  return bytes;
}
