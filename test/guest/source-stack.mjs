// @ts-check
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * Shows where in the sources an error was thrown, from the maps that lie beside the bundles.
 * A map is read when the first stack needs it: those of tests that pass are never read.
 */
export class SourceStacks {
  /** @type {Map<string, SourceMap | null>} */
  #maps = new Map();
  #folder;
  #madeIn;
  #frame;
  #runner;

  /**
   * @param {string} folder of the bundles
   * @param {string} madeIn where the folder was when the bundles were made: sources are
   *   named from there
   * @param {string} runner module of which no frame is shown
   */
  constructor(folder, madeIn, runner) {
    this.#folder = folder;
    this.#madeIn = madeIn;
    const place = escaped(pathToFileURL(folder).href);
    this.#frame = new RegExp(`${place}/([^\\s/:]+\\.mjs):(\\d+):(\\d+)`);
    this.#runner = runner;
  }

  /** @param {string} stack */
  map(stack) {
    return stack
      .split('\n')
      .flatMap((line) => {
        const [place, bundle = '', lineNumber, column] = this.#frame.exec(line) ?? [];
        if (place === undefined) return /^ {4}at .*node:internal\//.test(line) ? [] : [line];
        if (bundle === this.#runner) return [];
        const found = this.#source(bundle, Number(lineNumber), Number(column));
        return [found === undefined ? line : line.replace(place, found)];
      })
      .join('\n');
  }

  /** @param {string} bundle @param {number} line @param {number} column both from 1 */
  #source(bundle, line, column) {
    if (!this.#maps.has(bundle)) this.#maps.set(bundle, this.#read(bundle));
    const entry = this.#maps.get(bundle)?.findEntry(line - 1, column - 1);
    if (entry === undefined || !('originalSource' in entry)) return undefined;
    const source = entry.originalSource.startsWith('file:')
      ? fileURLToPath(entry.originalSource)
      : resolve(this.#madeIn, entry.originalSource);
    return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  }

  /** @param {string} bundle */
  #read(bundle) {
    try {
      return new SourceMap(JSON.parse(readFileSync(join(this.#folder, `${bundle}.map`), 'utf8')));
    } catch {
      // The stack is then shown as it is.
      return null;
    }
  }
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
