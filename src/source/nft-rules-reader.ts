import { createHash } from 'node:crypto';
import { HopscopeError } from '../model/errors.js';
import type { Family } from '../network/ip-address.js';
import { NftRuleWriter } from '../rules/nft-iptables.js';
import {
  chainsOf,
  chainsRequest,
  type DumpedChain,
  ruleMessages,
  rulesRequest,
  setNamesOf,
  setsRequest,
} from '../rules/nft-table-dump.js';
import { askNamespace } from './namespace-query.js';
import { type ReadText, TEXT_LIMIT } from './tool-text.js';

/** Chains asked for at a time: their rules are in memory at once. */
const CHAINS_AT_ONCE = 512;
/** Bytes of the answers of one call: a chain of 100,000 rules has some 70 MB. */
const ANSWER_BYTES = 128 << 20;
/** Other work is done after so long, ms. */
const SLICE_MS = 5;
/** Lines of one piece of text. */
const PIECE_LINES = 512;

/** What the kernel said is not what it should say. */
export class RulesDumpError extends HopscopeError {}

/**
 * Reads tables of iptables from nf_tables itself: in the time that the tool takes, without a process and with two
 * thirds of its memory. Null for a table that has something that only a tool can write.
 *
 * @throws RulesDumpError `RULES_DUMP`; BpfError
 */
export async function readNftTables(
  path: string,
  family: Family,
  names: readonly string[],
): Promise<Map<string, ReadText | null>> {
  const [answer] = await ask(path, [chainsRequest(family)]);
  const chains = await chainsIn(answer ?? Buffer.alloc(0));
  const read = new Map<string, ReadText | null>();
  const reader = new TableReader(path, family);
  for (const name of names) {
    const own = chains.filter(({ table }) => table === name);
    read.set(name, await reader.read(name, own));
  }
  return read;
}

/** A large rule set has 40,000. */
async function chainsIn(answer: Buffer): Promise<DumpedChain[]> {
  const chains: DumpedChain[] = [];
  const all = chainsOf(answer);
  for (;;) {
    const began = performance.now();
    const isOver = decoded(() => {
      for (let next = all.next(); next.done !== true; next = all.next()) {
        chains.push(next.value);
        if (performance.now() - began >= SLICE_MS) return false;
      }
      return true;
    });
    if (isOver) return chains;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

class TableReader {
  readonly #path: string;
  readonly #family: Family;
  readonly #writer: NftRuleWriter;
  #began = performance.now();
  #bytes = 0;
  /** The rule that waits for the names of sets. */
  #waiting: readonly [from: number, end: number] = [0, 0];

  constructor(path: string, family: Family) {
    this.#path = path;
    this.#family = family;
    this.#writer = new NftRuleWriter(family);
  }

  async read(table: string, chains: readonly DumpedChain[]): Promise<ReadText | null> {
    if (!chains.every(({ isUsual }) => isUsual)) return null;
    const text = new Pieces();
    text.add(`*${table}`);
    for (const { name, policy } of chains) text.add(`:${name} ${policy} [0:0]`);
    // While some are written the next ones are asked for: that is done by another thread.
    let asked = this.#ask(table, chains.slice(0, CHAINS_AT_ONCE));
    for (let next = CHAINS_AT_ONCE; ; next += CHAINS_AT_ONCE) {
      const answers = await asked;
      const some = chains.slice(next, next + CHAINS_AT_ONCE);
      asked = this.#ask(table, some);
      // Whoever waits for it is told: here nobody may be left.
      asked.catch(() => undefined);
      for (const answer of answers) {
        if (!(await this.#write(answer, text))) return null;
      }
      if (some.length === 0) break;
    }
    text.add('COMMIT');
    return text.end();
  }

  /** Chain by chain: a dump of a whole table begins at its first rule again for each part of its answer. */
  #ask(table: string, chains: readonly DumpedChain[]): Promise<Buffer[]> {
    if (chains.length === 0) return Promise.resolve([]);
    const requests = chains.map(({ name }) => rulesRequest(this.#family, table, name));
    return ask(this.#path, requests);
  }

  /** False where a rule could not be written. */
  async #write(answer: Buffer, text: Pieces): Promise<boolean> {
    const rules = ruleMessages(answer);
    for (let part = this.#writeSome(answer, rules, text); part !== 'done'; ) {
      if (part === 'unknown') return false;
      if (part === 'sets') {
        const [sets] = await ask(this.#path, [setsRequest()]);
        this.#writer.sets = decoded(() => setNamesOf(sets ?? Buffer.alloc(0)));
        const line = decoded(() => this.#writer.write(answer, ...this.#waiting));
        if (line === null) return false;
        text.add(line);
      } else {
        await new Promise((resolve) => setImmediate(resolve));
        this.#began = performance.now();
      }
      part = this.#writeSome(answer, rules, text);
    }
    return true;
  }

  /** Up to when other work is due, or to what is not known. */
  #writeSome(
    answer: Buffer,
    rules: ReturnType<typeof ruleMessages>,
    text: Pieces,
  ): 'done' | 'later' | 'sets' | 'unknown' {
    return decoded(() => {
      const writer = this.#writer;
      for (let next = rules.next(); next.done !== true; next = rules.next()) {
        const [from, end] = next.value;
        const line = writer.write(answer, from, end);
        if (line === null) {
          this.#waiting = [from, end];
          return writer.wantsSets && writer.sets === null ? 'sets' : 'unknown';
        }
        this.#bytes += line.length;
        if (this.#bytes > TEXT_LIMIT) {
          throw new RulesDumpError('RULES_DUMP', `more than ${TEXT_LIMIT} bytes of rules`);
        }
        text.add(line);
        if (performance.now() - this.#began >= SLICE_MS) return 'later';
      }
      return 'done';
    });
  }
}

/** Lines in pieces, with the hash of all. */
class Pieces {
  readonly #pieces: string[] = [];
  readonly #hash = createHash('sha256');
  #lines: string[] = [];

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length >= PIECE_LINES) this.#close();
  }

  end(): ReadText {
    this.#close();
    return { pieces: this.#pieces, digest: this.#hash.digest('hex') };
  }

  #close(): void {
    const piece = this.#lines.join('\n');
    this.#hash.update(`${piece}\n`);
    this.#pieces.push(piece);
    this.#lines = [];
  }
}

async function ask(path: string, requests: Parameters<typeof askNamespace>[1]): Promise<Buffer[]> {
  const { answers } = await askNamespace(path, requests, [], ANSWER_BYTES);
  return answers.map(({ code, interrupted, data }) => {
    if (code !== null) throw new RulesDumpError('RULES_DUMP', `the kernel answers ${code}`);
    if (interrupted) throw new RulesDumpError('RULES_DUMP', 'rules changed while they were read');
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  });
}

function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RulesDumpError('RULES_DUMP', `the kernel's answer has ${error.message}`);
  }
}
