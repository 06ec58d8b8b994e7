import { UsageError } from '../model/errors.js';

/** One thing that is wrong with a configuration file. */
export interface ConfigProblem {
  readonly code: string;
  readonly message: string;
  /** Such as `netns[1]`; empty for the file as a whole. */
  readonly key: string;
  /** From 1; null where it is of no line. */
  readonly line: number | null;
  readonly column: number | null;
}

/** All that is wrong with a configuration file, found at once. */
export class ConfigError extends UsageError {
  readonly file: string;
  readonly problems: readonly ConfigProblem[];

  constructor(file: string, problems: readonly ConfigProblem[], options?: ErrorOptions) {
    const [first] = problems;
    const code = problems.length === 1 && first !== undefined ? first.code : 'CONFIG_INVALID';
    super(code, problems.map((problem) => problemText(file, problem)).join('; '), options);
    this.file = file;
    this.problems = problems;
  }
}

/** `FILE:LINE: KEY: MESSAGE`. */
export function problemText(file: string, { key, line, message }: ConfigProblem): string {
  const place = line === null ? file : `${file}:${line}`;
  return `${place}: ${key === '' ? '' : `${key}: `}${message}`;
}
