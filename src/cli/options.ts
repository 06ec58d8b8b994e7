import { type ParseArgsConfig, parseArgs } from 'node:util';
import { compilePacketFilter } from 'ebpf-ts';
import { PacketFilter } from '../filter/packet-filter.js';
import { UsageError } from '../model/errors.js';

/** Options that every observing command takes. */
export const COMMON_OPTIONS = {
  duration: { type: 'string' },
  filter: { type: 'string', short: 'f' },
  netns: { type: 'string', multiple: true },
  sample: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsConfig['options'];

export const COMMON_HELP = `Common options:
  --duration TIME      stop by itself after TIME: 10s, 500ms, 5m, 1h
  -f, --filter EXPR    only what matches EXPR, in pcap-filter(7) syntax, on any
                       device or inside any tunnel; may be given without -f
  --netns NAME         observe only this network namespace; repeatable
  --sample RATE        all, auto, or 1/N: show one packet in N; counts stay exact
  -h, --help           this text
`;

export interface CommonOptions {
  /** Milliseconds, or null to go on until interrupted. */
  readonly durationMs: number | null;
  readonly filter: PacketFilter | null;
  readonly netns: readonly string[] | null;
  readonly sampleOneIn: number;
  readonly json: boolean;
}

interface ParsedCommon {
  readonly duration?: string;
  readonly filter?: string;
  readonly netns?: string[];
  readonly sample?: string;
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
    sampleOneIn: parseSample(values.sample ?? 'all'),
    json: values.json ?? false,
  };
}

/** Options of a command whose arguments are a filter; null when help was asked for and given. */
export function filteredOptions(args: readonly string[], help: string): CommonOptions | null {
  const { values, positionals } = parse(args, COMMON_OPTIONS);
  if (values.help === true) {
    process.stdout.write(help);
    return null;
  }
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
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/u.exec(text);
  const amount = Number(match?.[1]);
  const ms = amount * (UNIT_MS[match?.[2] ?? 's'] ?? Number.NaN);
  if (match === null || !(ms > 0) || ms > 2 ** 31 - 1) {
    throw new UsageError('BAD_DURATION', `not a duration: ${text} (try 10s, 500ms, 5m)`);
  }
  return ms;
}

/** `all`, `auto`, `1/N`: one in how many. */
export function parseSample(text: string): number {
  if (text === 'all' || text === 'auto') {
    return 1;
  }
  const n = Number(/^1\/(\d{1,7})$/u.exec(text)?.[1] ?? 0);
  if (n < 1) {
    throw new UsageError('BAD_SAMPLE', `not a sampling rate: ${text} (all, auto, or 1/N)`);
  }
  return n;
}

export function parsePort(text: string | undefined, otherwise: number): number {
  const port = text === undefined ? otherwise : Number(text);
  if (!/^\d{1,5}$/u.test(text ?? '0') || port > 65_535) {
    throw new UsageError('BAD_PORT', `not a port: ${text}`);
  }
  return port;
}
