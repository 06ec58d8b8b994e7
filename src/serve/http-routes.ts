import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type FlowRecord,
  type HelloMessage,
  PATHS_PER_FLOW,
  type PathRecord,
  type QualityRecord,
} from 'hopscope-protocol';
import type { PagePosition } from './channel-messages.js';
import { type Collector, CollectorError } from './collector.js';
import type { FlowDetails } from './flow-details.js';
import {
  API_FLOW_DEFAULT,
  API_FLOW_LIMIT,
  API_PAGE_BYTES,
  API_PAGE_MS,
  API_REQUEST_LIMIT,
  RECORDS_PER_ANSWER,
  UNREAD_PAGE_LIMIT,
} from './limits.js';
import type { Load } from './load-meter.js';
import { METRICS_TYPE, renderMetrics } from './metrics.js';
import type { ServeCounters } from './serve-counters.js';
import type { StaticFile } from './static-files.js';

export interface RouteContext {
  readonly collector: Collector;
  readonly files: ReadonlyMap<string, StaticFile>;
  readonly counters: ServeCounters;
  readonly details: FlowDetails;
  readonly hello: HelloMessage;
  /** `null` while the collector has not said. */
  quality(): QualityRecord | null;
  /** Of this process. */
  load(): Load;
  clients(): number;
}

/**
 * The page may load its own files and talk to its own daemon, nothing else. No
 * inline script or style: names and addresses from the network are shown in it.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const NOT_BUILT = `<!doctype html><meta charset="utf-8"><title>hopscope</title>
<p>The daemon runs, but the dashboard has not been built: run <code>npm run build</code>.</p>`;
const JSON_TYPE = 'application/json; charset=utf-8';

export function setSecurityHeaders(response: ServerResponse): void {
  response.setHeader('Content-Security-Policy', CONTENT_SECURITY_POLICY);
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
}

/** A request that cannot be answered. */
class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Answers requests that the host guard has let through. */
export class Routes {
  readonly #context: RouteContext;
  /** Requests that wait for the collector. */
  #asking = 0;
  /** Pages that wait for who asked to read on, in the order in which they began to. */
  readonly #unread = new Set<ServerResponse>();

  constructor(context: RouteContext) {
    this.#context = context;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#route(request, response);
    } catch (error) {
      const { counters } = this.#context;
      const refused =
        error instanceof CollectorError ? new Refused(503, error.code, error.message) : error;
      if (!(refused instanceof Refused) || response.headersSent) throw error;
      counters.refuseRequest(refused.code);
      if (refused.status === 405) response.setHeader('Allow', 'GET, HEAD');
      if (refused.status === 503) response.setHeader('Retry-After', '1');
      const { code, message } = refused;
      sendJson(response, refused.status, { type: 'error', code, message });
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { collector, files, hello } = this.#context;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new Refused(405, 'method-not-allowed', 'only GET and HEAD are served');
    }
    const url = parseUrl(request.url ?? '/');
    const path = url.pathname;
    if (path === '/healthz') {
      sendJson(response, 200, { status: 'ok', version: hello.version, mode: hello.mode });
    } else if (path === '/metrics') {
      send(response, 200, METRICS_TYPE, Buffer.from(this.#metrics()));
    } else if (path === '/api/quality') {
      sendJson(response, 200, this.#quality());
    } else if (path === '/api/namespaces') {
      const namespaces = await this.#ask(() => collector.namespaces());
      sendJson(response, 200, { namespaces });
    } else if (path === '/api/mtu') {
      sendJson(response, 200, await this.#ask(() => collector.mtu()));
    } else if (path === '/api/flows') {
      const limit = readLimit(url.searchParams.get('limit'));
      const from = readCursor(url.searchParams.get('cursor'));
      await this.#sendFlows(response, from, limit);
    } else if (path.startsWith('/api/flows/')) {
      const id = decodeSegment(path.slice('/api/flows/'.length));
      const found = id === null ? null : await this.#ask(() => wholeFlow(collector, id));
      if (found === null) {
        throw new Refused(404, 'no-such-flow', 'no flow with this id is in the table');
      }
      sendJson(response, 200, found);
    } else {
      const file = files.get(path);
      if (file !== undefined) sendFile(request, response, file);
      else if (path === '/') {
        send(response, 503, 'text/html; charset=utf-8', Buffer.from(NOT_BUILT));
      } else throw new Refused(404, 'not-found', 'nothing is served under this path');
    }
  }

  #quality(): QualityRecord {
    const quality = this.#context.quality();
    if (quality !== null) return quality;
    throw new Refused(503, 'no-figures', 'the collector has given no figures yet');
  }

  #metrics(): string {
    const { collector, counters, details } = this.#context;
    const quality = this.#quality();
    return renderMetrics({
      quality,
      counters,
      detailsDelayed: details.delayed,
      clients: this.#context.clients(),
      channel: collector.status?.channel ?? null,
      loads: { collector: collector.status?.load ?? null, server: this.#context.load() },
      rows: {
        held: collector.table.size,
        limit: collector.table.limit,
        evicted: collector.table.evicted,
      },
    });
  }

  async #ask<T>(work: () => Promise<T>): Promise<T> {
    if (this.#asking >= API_REQUEST_LIMIT) {
      const message = `${API_REQUEST_LIMIT} requests are at work, which is the limit`;
      throw new Refused(503, 'too-many-requests', message);
    }
    this.#asking += 1;
    try {
      return await work();
    } finally {
      this.#asking -= 1;
    }
  }

  /**
   * Sends a page part by part, the next one asked for when this one was read, so that
   * neither side holds more of it than a part, and who reads slowly keeps no other waiting.
   */
  async #sendFlows(
    response: ServerResponse,
    from: PagePosition | null,
    limit: number,
  ): Promise<void> {
    const { collector, counters } = this.#context;
    const deadline = performance.now() + API_PAGE_MS;
    let position = from;
    let sent = 0;
    let bytes = 0;
    let total = 0;
    for (let part = 0; ; part++) {
      const wanted = Math.min(RECORDS_PER_ANSWER, limit - sent);
      const answer = await this.#ask(() => collector.flows(position, wanted)).catch(
        (error: unknown) => {
          // A page that was begun ends here, and its `next` leads on.
          if (part > 0 && (error instanceof Refused || error instanceof CollectorError))
            return null;
          throw error;
        },
      );
      if (answer === null) {
        counters.pagesCut += 1;
        break;
      }
      const { records, next, total: counted } = answer;
      if (part === 0) {
        response.setHeader('Cache-Control', 'no-store');
        response.writeHead(200, { 'Content-Type': JSON_TYPE });
      }
      const texts = records.map((record) => JSON.stringify(record));
      const text = `${part === 0 ? '{"flows":[' : ''}${sent > 0 && texts.length > 0 ? ',' : ''}${texts.join(',')}`;
      sent += records.length;
      bytes += text.length;
      total = counted;
      position = next;
      if (!(await this.#written(response, text))) {
        counters.pagesUnread += 1;
        return;
      }
      if (next === null || sent >= limit) break;
      if (bytes >= API_PAGE_BYTES || performance.now() > deadline) {
        counters.pagesCut += 1;
        break;
      }
    }
    const next = position === null ? null : `${position.before}.${position.id}`;
    response.end(`],"total":${total},"next":${JSON.stringify(next)}}`);
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

/** A flow and its newest paths, a few at a time; null when it is not in the table. */
async function wholeFlow(
  collector: Collector,
  id: string,
): Promise<{ flow: FlowRecord; paths: readonly PathRecord[] } | null> {
  let { flow, paths } = await collector.flow(id, []);
  for (let come = paths.length; flow !== null && come > 0 && paths.length < PATHS_PER_FLOW; ) {
    const more = await collector.flow(
      id,
      paths.map((path) => path.id),
    );
    flow = more.flow ?? flow;
    paths = [...paths, ...more.paths].slice(0, PATHS_PER_FLOW);
    come = more.paths.length;
  }
  return flow === null ? null : { flow, paths };
}

/** @throws Refused `bad-url` for what is no path, `GET http://[/` for one */
function parseUrl(text: string): URL {
  try {
    return new URL(text, 'http://localhost');
  } catch {
    throw new Refused(400, 'bad-url', 'the request names no path');
  }
}

function readLimit(text: string | null): number {
  if (text === null) return API_FLOW_DEFAULT;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= API_FLOW_LIMIT) return limit;
  throw new Refused(400, 'bad-limit', `limit must be a whole number from 1 to ${API_FLOW_LIMIT}`);
}

/** A cursor is what a page before gave as `next`. */
function readCursor(text: string | null): PagePosition | null {
  if (text === null) return null;
  const match = /^(\d{1,16})\.([\w-]{1,128})$/.exec(text);
  const before = Number(match?.[1]);
  const id = match?.[2];
  if (id !== undefined && Number.isSafeInteger(before)) return { before, id };
  throw new Refused(400, 'bad-cursor', 'cursor must be what a page before gave as "next"');
}

function decodeSegment(segment: string): string | null {
  try {
    const id = decodeURIComponent(segment);
    return id.length > 0 && id.length <= 128 ? id : null;
  } catch {
    return null;
  }
}

function sendFile(request: IncomingMessage, response: ServerResponse, file: StaticFile): void {
  response.setHeader('ETag', file.etag);
  response.setHeader('Cache-Control', file.cacheControl);
  if (request.headers['if-none-match'] === file.etag) {
    response.writeHead(304).end();
    return;
  }
  send(response, 200, file.type, file.body);
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.setHeader('Cache-Control', 'no-store');
  send(response, status, JSON_TYPE, Buffer.from(JSON.stringify(value)));
}

/** node drops the body itself when the request was HEAD. */
function send(response: ServerResponse, status: number, type: string, body: Buffer): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length }).end(body);
}
