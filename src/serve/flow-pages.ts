import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FlowRecord, RowOrder } from 'hopscope-protocol';
import type { PagePosition } from './channel-messages.js';
import { type Collector, CollectorError } from './collector.js';
import type { FlowsQuery } from './flows-query.js';
import { JSON_TYPE } from './json-type.js';
import { API_PAGE_BYTES, API_PAGE_MS, RECORDS_PER_ANSWER, UNREAD_PAGE_LIMIT } from './limits.js';
import { Refused } from './refused.js';
import type { ServeCounters } from './serve-counters.js';

type Ask = <T>(work: () => Promise<T>) => Promise<T>;

/** Some of a page's flows, and what is said after them if they are the last. */
interface Part {
  /** JSON of each. */
  readonly texts: readonly string[];
  readonly end: Readonly<Record<string, unknown>>;
}

/**
 * Sends flows as pages, part by part, the next one asked for when this one was read, so that
 * neither side holds more of it than a part, and who reads slowly keeps no other waiting.
 */
export class FlowPages {
  readonly #collector: Collector;
  readonly #counters: ServeCounters;
  readonly #ask: Ask;
  /** Pages that wait for who asked to read on, in the order in which they began to. */
  readonly #unread = new Set<ServerResponse>();

  constructor(
    context: { readonly collector: Collector; readonly counters: ServeCounters },
    ask: Ask,
  ) {
    this.#collector = context.collector;
    this.#counters = context.counters;
    this.#ask = ask;
  }

  /** Rejects with CollectorError or Refused while nothing has been sent. */
  async send(response: ServerResponse, query: FlowsQuery): Promise<void> {
    const { order, filter, limit } = query;
    const parts = order === null ? this.#byChange(query) : this.#inOrder(filter, order, limit);
    let sent = 0;
    let end: Part['end'] | null = null;
    for (;;) {
      const part = await parts.next().catch((error: unknown) => {
        // A page that was begun ends here, and what stands at its end says so.
        const isKnown = error instanceof Refused || error instanceof CollectorError;
        if (end !== null && isKnown) return null;
        throw error;
      });
      if (part === null) this.#counters.pagesCut += 1;
      if (part === null || part.done === true) break;
      const { texts } = part.value;
      const isFirst = end === null;
      end = part.value.end;
      if (isFirst) {
        response.setHeader('Cache-Control', 'no-store');
        response.writeHead(200, { 'Content-Type': JSON_TYPE });
      }
      const isAfter = sent > 0 && texts.length > 0;
      const text = `${isFirst ? '{"flows":[' : ''}${isAfter ? ',' : ''}${texts.join(',')}`;
      sent += texts.length;
      if (text !== '' && !(await this.#written(response, text))) {
        this.#counters.pagesUnread += 1;
        return;
      }
    }
    response.end(`],${JSON.stringify(end).slice(1)}`);
  }

  async *#byChange({ filter, from, limit }: FlowsQuery): AsyncGenerator<Part> {
    const deadline = performance.now() + API_PAGE_MS;
    let position = from;
    let sent = 0;
    let bytes = 0;
    do {
      const wanted = Math.min(RECORDS_PER_ANSWER, limit - sent);
      const at = position;
      const answer = await this.#ask(() => this.#collector.flows(at, wanted, filter));
      const texts = textsOf(answer.records);
      position = answer.next;
      sent += texts.length;
      bytes += texts.reduce((sum, text) => sum + text.length, 0);
      yield { texts, end: { total: answer.total, next: cursorOf(position) } };
      if (bytes >= API_PAGE_BYTES || performance.now() > deadline) {
        if (position !== null && sent < limit) this.#counters.pagesCut += 1;
        return;
      }
    } while (position !== null && sent < limit);
  }

  async *#inOrder(filter: string, order: RowOrder, limit: number): AsyncGenerator<Part> {
    const { ids, looked, total } = await this.#ask(() =>
      this.#collector.first(filter, order, limit),
    );
    const end = { total, looked, next: null };
    for (let at = 0; at < ids.length; at += RECORDS_PER_ANSWER) {
      const some = ids.slice(at, at + RECORDS_PER_ANSWER);
      const texts = textsOf(await this.#ask(() => this.#collector.records(some)));
      const isLast = at + RECORDS_PER_ANSWER >= ids.length;
      yield { texts, end: { ...end, isWhole: isLast } };
    }
    if (ids.length === 0) yield { texts: [], end: { ...end, isWhole: true } };
  }

  /** False when the other side has gone, or was cut off since it did not read. */
  async #written(response: ServerResponse, text: string): Promise<boolean> {
    if (response.destroyed) return false;
    if (response.write(text)) return true;
    const [longest] = this.#unread.size >= UNREAD_PAGE_LIMIT ? this.#unread : [];
    longest?.destroy();
    this.#unread.add(response);
    const gone = new AbortController();
    const closed = once(response, 'close', { signal: gone.signal }).then(() => false);
    const drained = once(response, 'drain', { signal: gone.signal }).then(() => true);
    try {
      return await Promise.race([closed, drained]);
    } finally {
      this.#unread.delete(response);
      gone.abort();
      await Promise.allSettled([closed, drained]);
    }
  }
}

function textsOf(records: readonly FlowRecord[]): string[] {
  return records.map((record) => JSON.stringify(record));
}

function cursorOf(position: PagePosition | null): string | null {
  return position === null ? null : `${position.before}.${position.id}`;
}
