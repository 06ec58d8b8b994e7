import { writeSync } from 'node:fs';
import { jsonLine, printable } from './export/printable.js';

/** From what must be looked at to what only a developer reads. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export const LOG_FORMATS = ['text', 'json'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Longer texts are cut: what failed may quote what it was given. */
const TEXT_LIMIT = 8_192;
const STANDARD_ERROR = 2;

export interface LogDetails {
  /** Further members of the JSON object. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** The lines for people where they are not `hopscope: MESSAGE`; null for none. */
  readonly text?: readonly string[] | null;
}

/**
 * All that is written to standard error: lines for people, or one JSON object a line with
 * `time`, `level`, `event`, `message` and fields. Events have names that stay. Names in messages
 * may be anybody's, so no character of them acts on a terminal.
 */
export class Logger {
  level: LogLevel = 'info';
  format: LogFormat = 'text';
  /** Lines that could not be written: what watches must not end because nobody can listen. */
  lost = 0;
  readonly #write: (line: string) => void;
  readonly #now: () => Date;

  constructor(write: (line: string) => void, now: () => Date = () => new Date()) {
    this.#write = write;
    this.#now = now;
  }

  error(event: string, message: string, details?: LogDetails): void {
    this.log('error', event, message, details);
  }

  warn(event: string, message: string, details?: LogDetails): void {
    this.log('warn', event, message, details);
  }

  info(event: string, message: string, details?: LogDetails): void {
    this.log('info', event, message, details);
  }

  debug(event: string, message: string, details?: LogDetails): void {
    this.log('debug', event, message, details);
  }

  log(level: LogLevel, event: string, message: string, details: LogDetails = {}): void {
    if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(this.level)) return;
    for (const line of this.#lines(level, event, message, details)) {
      try {
        this.#write(`${line}\n`);
      } catch {
        this.lost += 1;
      }
    }
  }

  #lines(level: LogLevel, event: string, message: string, details: LogDetails): string[] {
    const { fields, text } = details;
    if (this.format === 'json') {
      const time = this.#now().toISOString();
      const head = { time, level, event, message: cut(message) };
      return [jsonLine({ ...head, ...fields, ...head })];
    }
    if (text === null) return [];
    return (text ?? [`hopscope: ${message}`]).map((line) => printable(cut(line)));
  }
}

function cut(text: string): string {
  return text.length > TEXT_LIMIT ? `${text.slice(0, TEXT_LIMIT)} …` : text;
}

/** Not through process.stderr, which takes nothing more once a line of it has failed. */
function toStandardError(line: string): void {
  const bytes = Buffer.from(line);
  for (let done = 0; done < bytes.length; ) done += writeSync(STANDARD_ERROR, bytes, done);
}

/** Of this process. */
export const log = new Logger(toStandardError);
