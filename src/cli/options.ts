import { type ParseArgsConfig, parseArgs } from 'node:util';
import { compilePacketFilter } from 'ebpf-ts';
import { PacketFilter } from '../filter/packet-filter.js';
import { UsageError } from '../model/errors.js';
import {
  MEMORY_DEFAULT,
  MEMORY_LEAST,
  MEMORY_MOST,
  type MemoryBudget,
  shareOut,
} from '../model/memory-budget.js';
import { DEFAULT_BUDGET, SAMPLE_ALL, type Sampling } from '../model/sampling.js';
import { usableMemory } from './usable-memory.js';

const MIB = 2 ** 20;

/** Options that every observing command takes. */
export const COMMON_OPTIONS = {
  duration: { type: 'string' },
  filter: { type: 'string', short: 'f' },
  netns: { type: 'string', multiple: true },
  sample: { type: 'string' },
  'cpu-budget': { type: 'string' },
  memory: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsConfig['options'];

export const COMMON_HELP = `Common options:
  --duration TIME      stop by itself after TIME: 10s, 500ms, 5m, 1h
  -f, --filter EXPR    only what matches EXPR, in pcap-filter(7) syntax, on any
                       device or inside any tunnel; may be given without -f
  --netns NAME         observe only this network namespace; repeatable
  --sample RATE        packets traced: auto (the default): every one while that is
                       cheap, else those of short windows; all; or 1/N: one in N.
                       Drops are always seen, and counts of flows are exact
  --cpu-budget PERCENT of one core, that auto may take; ${DEFAULT_BUDGET * 100} by default
  --memory SIZE        resident memory of all its processes, ${MEMORY_LEAST / MIB}M or more: 512M (the
                       default), 1G. Past it the oldest is removed, and counted
  -h, --help           this text
`;

export interface CommonOptions {
  /** Milliseconds, or null to go on until interrupted. */
  readonly durationMs: number | null;
  readonly filter: PacketFilter | null;
  readonly netns: readonly string[] | null;
  readonly sampling: Sampling;
  /** Bytes by part. */
  readonly memory: MemoryBudget;
  readonly json: boolean;
}

interface ParsedCommon {
  readonly duration?: string;
  readonly filter?: string;
  readonly netns?: string[];
  readonly sample?: string;
  readonly 'cpu-budget'?: string;
  readonly memory?: string;
  readonly json?: boolean;
}

/** Like util.parseArgs, with errors that the command line shows as usage errors. */
export function parse<T extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: T,
): ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true; strict: true }>
> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError('BAD_OPTION', error instanceof Error ? error.message : String(error));
  }
}

export function commonOptions(values: ParsedCommon): CommonOptions {
  return {
    durationMs: values.duration === undefined ? null : parseDuration(values.duration),
    filter:
      values.filter === undefined ? null : new PacketFilter(values.filter, compilePacketFilter),
    netns: values.netns ?? null,
    sampling: parseSampling(values.sample ?? 'auto', values['cpu-budget']),
    memory: shareOut(
      usableMemory(values.memory === undefined ? MEMORY_DEFAULT : parseMemory(values.memory)),
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

/** The same for a command without options of its own; null when help was asked for and given. */
export function onlyFilteredOptions(args: readonly string[], help: string): CommonOptions | null {
  const { values, positionals } = parse(args, COMMON_OPTIONS);
  if (values.help === true) {
    process.stdout.write(help);
    return null;
  }
  return filteredOptions(values, positionals);
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** `10s`, `500ms`, `5m`, `1h`, or seconds without a unit; in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/u.exec(text);
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
  const n = Number(/^1\/(\d{1,7})$/u.exec(sample)?.[1] ?? 0);
  if (n < 1) {
    throw new UsageError('BAD_SAMPLE', `not a sampling rate: ${sample} (all, auto, or 1/N)`);
  }
  return n === 1 ? SAMPLE_ALL : { mode: 'one-in', oneIn: n };
}

/** Percent of one core, more than 100 with several; as a share. */
function parseBudget(text: string): number {
  const percent = Number(/^(\d{1,4}(?:\.\d+)?)%?$/u.exec(text)?.[1] ?? 0);
  if (!(percent > 0)) {
    throw new UsageError('BAD_BUDGET', `not a budget: ${text} (percent of one core, such as 5)`);
  }
  return percent / 100;
}

const UNIT_BYTES: Readonly<Record<string, number>> = { K: 2 ** 10, M: MIB, G: 2 ** 30 };

/** `512M`, `1G`, `1.5G`, `524288K`, with `iB` or `B` after it or not, or bytes; in bytes. */
export function parseMemory(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([KMG])?(?:i?B)?$/iu.exec(text);
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

export function parsePort(text: string | undefined, otherwise: number): number {
  const port = text === undefined ? otherwise : Number(text);
  if (!/^\d{1,5}$/u.test(text ?? '0') || port > 65_535) {
    throw new UsageError('BAD_PORT', `not a port: ${text}`);
  }
  return port;
}
