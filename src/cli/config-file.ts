import { readFileSync, statSync } from 'node:fs';
import type * as Yaml from 'yaml';
import { UsageError } from '../model/errors.js';
import { ConfigError, type ConfigProblem } from './config-error.js';
import { FILE_OPTIONS, type FileOption } from './config-schema.js';
import type { ValueSchema } from './option.js';
import { parseSampling } from './options.js';

/** Bytes; one with every option has less than one thousand. */
export const CONFIG_LIMIT = 64 << 10;

/** As the command line would give it. */
export type OptionValue = string | boolean | readonly string[];
export type OptionValues = Readonly<Record<string, OptionValue>>;

export interface ConfigFile {
  /** Of every option that is right. */
  readonly values: OptionValues;
  /** All that is wrong. */
  readonly problems: readonly ConfigProblem[];
}

/** @throws ConfigError `CONFIG_NOT_READABLE`, `CONFIG_TOO_LARGE` */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  return parseConfig(textOf(path), await import('yaml'));
}

function textOf(path: string): string {
  const fail = (code: string, message: string, cause?: unknown): never => {
    const problem = { code, message, key: '', line: null, column: null };
    throw new ConfigError(path, [problem], { cause });
  };
  let bytes: Buffer;
  try {
    const status = statSync(path);
    // A pipe may never end, and a device such as /dev/zero never does.
    if (!status.isFile()) return fail('CONFIG_NOT_READABLE', 'it is no regular file');
    if (status.size > CONFIG_LIMIT) {
      return fail('CONFIG_TOO_LARGE', `it is larger than ${CONFIG_LIMIT} bytes`);
    }
    bytes = readFileSync(path);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    return fail('CONFIG_NOT_READABLE', `it cannot be read: ${message}`, cause);
  }
  return bytes.toString('utf8');
}

/** YAML 1.2, which JSON is a part of. An option that is not known, or wrong, hides no other. */
export function parseConfig(text: string, yaml: typeof Yaml): ConfigFile {
  const lines = new yaml.LineCounter();
  return new Reader(text, yaml, lines).read();
}

class Reader {
  readonly #values: Record<string, OptionValue> = {};
  readonly #problems: ConfigProblem[] = [];
  readonly #text: string;
  readonly #yaml: typeof Yaml;
  readonly #lines: Yaml.LineCounter;
  #document: Yaml.Document | null = null;

  constructor(text: string, yaml: typeof Yaml, lines: Yaml.LineCounter) {
    this.#text = text;
    this.#yaml = yaml;
    this.#lines = lines;
  }

  read(): ConfigFile {
    const document = this.#parse();
    if (document !== null) {
      this.#document = document;
      this.#readOptions(document);
    }
    this.#problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
    return { values: this.#values, problems: this.#problems };
  }

  #parse(): Yaml.Document | null {
    let document: Yaml.Document;
    try {
      document = this.#yaml.parseDocument(this.#text, {
        lineCounter: this.#lines,
        prettyErrors: false,
        // Silent, it says nothing of a second document.
        logLevel: 'error',
      });
    } catch (error) {
      // One that is nested deeper than the parser's calls can be.
      this.#report('CONFIG_SYNTAX', '', error instanceof Error ? error.message : String(error), 0);
      return null;
    }
    let isBroken = false;
    for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
      const isDuplicate = code === 'DUPLICATE_KEY';
      if (!isDuplicate) isBroken = true;
      this.#report(isDuplicate ? 'CONFIG_DUPLICATE_KEY' : 'CONFIG_SYNTAX', '', message, pos[0]);
    }
    // What comes after a mistake in the syntax may not be what was meant.
    return isBroken ? null : document;
  }

  #readOptions(document: Yaml.Document): void {
    const { contents } = document;
    // An empty file, or comments alone.
    if (contents === null || (this.#yaml.isScalar(contents) && contents.value === null)) return;
    if (!this.#yaml.isMap(contents)) {
      const message = 'it must be a mapping of options to values, such as "port: 7677"';
      this.#report('CONFIG_NOT_A_MAPPING', '', message, offsetOf(contents));
      return;
    }
    const places = new Map<string, number | null>();
    for (const { key, value } of contents.items) {
      const name = this.#yaml.isScalar(key) ? String(key.value) : String(key);
      const at = offsetOf(key);
      const known = FILE_OPTIONS.get(name);
      if (known === undefined) {
        const message = 'there is no such option; hopscope config --schema has them all';
        this.#report('CONFIG_UNKNOWN_KEY', name, message, at);
        continue;
      }
      places.set(name, at);
      const read = this.#option(name, known.option, this.#resolved(value), at);
      if (read !== null) this.#values[name] = read;
    }
    this.#checkTogether(places);
  }

  #option(
    name: string,
    option: FileOption['option'],
    node: unknown,
    at: number | null,
  ): OptionValue | null {
    if (option.multiple !== true) return this.#value(name, option, node, at);
    if (!this.#yaml.isSeq(node)) {
      this.#report('CONFIG_WRONG_TYPE', name, 'it takes a list', offsetOf(node) ?? at);
      return null;
    }
    const values = node.items.map((item, i) =>
      this.#value(`${name}[${i}]`, option, this.#resolved(item), at),
    );
    return values.every((value) => typeof value === 'string') ? values : null;
  }

  #value(
    key: string,
    { file, read }: FileOption['option'],
    node: unknown,
    at: number | null,
  ): string | boolean | null {
    const offset = offsetOf(node) ?? at;
    const value = this.#yaml.isScalar(node) ? node.value : undefined;
    if (!isOfType(file, value)) {
      this.#report('CONFIG_WRONG_TYPE', key, `it takes ${typeText(file)}`, offset);
      return null;
    }
    if (typeof value === 'boolean') return value;
    const text = String(value);
    try {
      read?.(text);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      this.#report(error.code, key, error.message, offset);
      return null;
    }
    return text;
  }

  /** What two options say of each other. */
  #checkTogether(places: ReadonlyMap<string, number | null>): void {
    const { sample, 'cpu-budget': budget } = this.#values;
    if (typeof sample !== 'string' || typeof budget !== 'string') return;
    try {
      parseSampling(sample, budget);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      this.#report(error.code, 'cpu-budget', error.message, places.get('cpu-budget') ?? null);
    }
  }

  #resolved(node: unknown): unknown {
    if (this.#document === null || !this.#yaml.isAlias(node)) return node;
    return node.resolve(this.#document);
  }

  #report(code: string, key: string, message: string, offset: number | null): void {
    const place = offset === null ? null : this.#lines.linePos(offset);
    const line = place === null || place.line === 0 ? null : place.line;
    this.#problems.push({
      code,
      key,
      message,
      line,
      column: line === null ? null : (place?.col ?? null),
    });
  }
}

function offsetOf(node: unknown): number | null {
  const range = (node as { range?: readonly number[] | null } | null | undefined)?.range;
  return range?.[0] ?? null;
}

function isOfType({ type }: ValueSchema, value: unknown): value is string | number | boolean {
  if (typeof type === 'string') return typeof value === type;
  return type.some((each) =>
    each === 'integer' ? Number.isInteger(value) : typeof value === each,
  );
}

function typeText({ type }: ValueSchema): string {
  const words = {
    string: 'a text (in quotes)',
    boolean: 'true or false',
    number: 'a number',
    integer: 'a whole number',
  };
  return (typeof type === 'string' ? [type] : type).map((each) => words[each]).join(' or ');
}
