import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type FlowRecord,
  type HelloMessage,
  PATHS_PER_FLOW,
  type PathRecord,
  type QualityRecord,
} from 'hopscope-protocol';
import { type Collector, CollectorError } from './collector.js';
import type { FlowDetails } from './flow-details.js';
import { FlowPages } from './flow-pages.js';
import { readFlowsQuery } from './flows-query.js';
import { JSON_TYPE } from './json-type.js';
import { API_REQUEST_LIMIT } from './limits.js';
import type { Load } from './load-meter.js';
import { METRICS_TYPE, renderMetrics } from './metrics.js';
import { Refused } from './refused.js';
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

export function setSecurityHeaders(response: ServerResponse): void {
  response.setHeader('Content-Security-Policy', CONTENT_SECURITY_POLICY);
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
}

/** Answers requests that the host guard has let through. */
export class Routes {
  readonly #context: RouteContext;
  /** Requests that wait for the collector. */
  #asking = 0;
  readonly #pages: FlowPages;

  constructor(context: RouteContext) {
    this.#context = context;
    this.#pages = new FlowPages(context, (work) => this.#ask(work));
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
      await this.#pages.send(response, readFlowsQuery(url.searchParams));
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
