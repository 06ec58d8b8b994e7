import { UsageError } from '../model/errors.js';

/** JSON Schema of one value in a configuration file; `pattern` is asked of texts alone. */
export interface ValueSchema {
  readonly type: 'string' | 'boolean' | readonly ('string' | 'number' | 'integer')[];
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
}

/**
 * An option, once for all: for the command line (what util.parseArgs is given), for its line in
 * `--help`, and for the configuration file.
 */
export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** What stands for its value in the help. */
  readonly takes?: string;
  /** Empty: it is taken, but there is no reason to give it. */
  readonly help: string;
  /** A value of it in a file, or of its list there; null where the command line alone has it. */
  readonly file: ValueSchema | null;
  /** What its text means. Errors: UsageError. */
  readonly read?: (text: string) => unknown;
}

export type Options = Readonly<Record<string, Option>>;

/** Where the help of an option begins, and where it ends. */
const HELP_COLUMN = 23;
const HELP_WIDTH = 80;

/** The lines of `--help` for these options. */
export function optionHelp(options: Options): string {
  return Object.entries(options)
    .filter(([, { help }]) => help !== '')
    .map(([name, option]) => helpOf(name, option))
    .join('');
}

/** The same of those that every observing command takes, with a heading. */
export function commonHelp(options: Options): string {
  return `Common options:\n${optionHelp(options)}`;
}

function helpOf(name: string, { short, takes, help }: Option): string {
  const value = takes === undefined ? '' : ` ${takes}`;
  const head = `  ${short === undefined ? '' : `-${short}, `}--${name}${value} `;
  const indent = ' '.repeat(HELP_COLUMN);
  const words = help.split(' ');
  // What is too long for the column has a line of its own.
  let lines = head.length > HELP_COLUMN ? `${head.trimEnd()}\n` : '';
  let line = head.length > HELP_COLUMN ? indent : head.padEnd(HELP_COLUMN);
  let isEmpty = true;
  for (const word of words) {
    if (!isEmpty && line.length + 1 + word.length > HELP_WIDTH) {
      lines += `${line}\n`;
      line = indent;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return `${lines}${line}\n`;
}

/** Of an option that is one of some words. */
export function choice<T extends string>(
  words: readonly T[],
  code: string,
  what: string,
): { readonly file: ValueSchema; readonly read: (text: string) => T } {
  return {
    file: { type: 'string', enum: words },
    read: (text) => {
      const found = words.find((word) => word === text);
      if (found !== undefined) return found;
      throw new UsageError(code, `not ${what}: ${text} (${words.join(', ')})`);
    },
  };
}
