import { log } from '../logger.js';
import type { CommandOptions } from './command-options.js';
import { ConfigError } from './config-error.js';
import { type OptionValue, type OptionValues, readConfigFile } from './config-file.js';
import type { Options } from './option.js';
import { COMMON_OPTIONS, parse } from './options.js';

type Parsed<T extends Options> = ReturnType<typeof parse<T>>;

/**
 * What a command is asked to do: the command line, and below it the file that `--config` names.
 * Sets how to log. Null when help was asked for, and given.
 *
 * @throws UsageError `BAD_OPTION`, `BAD_LOG_LEVEL`, `BAD_LOG_FORMAT`; ConfigError
 */
export async function readOptions<T extends Options>(
  args: readonly string[],
  command: CommandOptions<T>,
  help: string,
): Promise<Parsed<T> | null> {
  const parsed = parse(args, command.options);
  const given = parsed.values as OptionValues;
  if (given['help'] === true) {
    process.stdout.write(help);
    return null;
  }
  setLog(given);
  const path = given['config'];
  if (typeof path !== 'string') return parsed;
  const { values, problems } = await readConfigFile(path);
  const merged = belowCommandLine(values, given, command, parsed.positionals.length > 0);
  setLog(merged);
  if (problems.length > 0) throw new ConfigError(path, problems);
  log.debug('config-read', `options from ${path}: ${Object.keys(values).join(', ')}`, {
    fields: { file: path, options: Object.keys(values) },
  });
  return { ...parsed, values: merged as Parsed<T>['values'] };
}

/** An option of the file that the command line says something else about is as if not there. */
function belowCommandLine(
  file: OptionValues,
  given: OptionValues,
  { options, takes }: CommandOptions,
  hasArguments: boolean,
): OptionValues {
  const merged: Record<string, OptionValue> = {};
  for (const [key, value] of Object.entries(file)) {
    // It may be for another command: a machine has one file.
    const isOwn = Object.hasOwn(options, key) && options[key]?.file !== null;
    if (isOwn && !(takes === 'filter' && key === 'filter' && hasArguments)) merged[key] = value;
  }
  const { sample, 'cpu-budget': budget } = given;
  if (sample !== undefined && sample !== 'auto') delete merged['cpu-budget'];
  if (budget !== undefined && merged['sample'] !== 'auto') delete merged['sample'];
  return { ...merged, ...given };
}

/** Of what is said, what is right: an error in the rest is reported in that form. */
export function setLog({ 'log-level': level, 'log-format': format }: OptionValues): void {
  if (typeof format === 'string') log.format = COMMON_OPTIONS['log-format'].read(format);
  if (typeof level === 'string') log.level = COMMON_OPTIONS['log-level'].read(level);
}
