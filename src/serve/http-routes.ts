import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FlowFeed, QualityRecord } from '../model/feed.js';
import { API_FLOW_LIMIT } from './limits.js';
import { METRICS_TYPE, renderMetrics } from './metrics.js';
import { type HelloMessage, PATHS_PER_FLOW } from './protocol.js';
import type { ServeCounters } from './serve-counters.js';
import type { StaticFile } from './static-files.js';

export interface RouteContext {
  readonly feed: FlowFeed;
  readonly files: ReadonlyMap<string, StaticFile>;
  readonly counters: ServeCounters;
  readonly hello: HelloMessage;
  quality(): QualityRecord;
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

/** Answers one request that the host guard has let through. */
export function route(
  request: IncomingMessage,
  response: ServerResponse,
  context: RouteContext,
): void {
  const refuse = (status: number, code: string, message: string): void => {
    context.counters.refuseRequest(code);
    sendJson(response, status, { type: 'error', code, message });
  };
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    refuse(405, 'method-not-allowed', 'only GET and HEAD are served');
    return;
  }
  const url = new URL(request.url ?? '/', 'http://localhost');
  const path = url.pathname;
  const { feed, hello } = context;
  if (path === '/healthz') {
    sendJson(response, 200, { status: 'ok', version: hello.version, mode: hello.mode });
  } else if (path === '/metrics') {
    const text = renderMetrics(context.quality(), context.counters, context.clients());
    send(response, 200, METRICS_TYPE, Buffer.from(text));
  } else if (path === '/api/quality') {
    sendJson(response, 200, context.quality());
  } else if (path === '/api/namespaces') {
    sendJson(response, 200, { namespaces: feed.namespaces() });
  } else if (path === '/api/flows') {
    const limit = readLimit(url.searchParams.get('limit'));
    if (limit === null) {
      refuse(400, 'bad-limit', `limit must be a whole number from 1 to ${API_FLOW_LIMIT}`);
      return;
    }
    const { flows } = feed.changedSince(0);
    const newest = flows.length > limit ? newestFlows(flows, limit) : flows;
    sendJson(response, 200, { flows: newest, total: flows.length });
  } else if (path.startsWith('/api/flows/')) {
    const id = decodeSegment(path.slice('/api/flows/'.length));
    const flow = id === null ? null : feed.flow(id);
    if (flow === null) refuse(404, 'no-such-flow', 'no flow with this id is in the table');
    else sendJson(response, 200, { flow, paths: feed.recentPaths(flow.id, PATHS_PER_FLOW) });
  } else {
    const file = context.files.get(path);
    if (file !== undefined) sendFile(request, response, file);
    else if (path === '/') {
      send(response, 503, 'text/html; charset=utf-8', Buffer.from(NOT_BUILT));
    } else refuse(404, 'not-found', 'nothing is served under this path');
  }
}

function readLimit(text: string | null): number | null {
  if (text === null) return API_FLOW_LIMIT;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= API_FLOW_LIMIT ? limit : null;
}

function newestFlows<T extends { readonly last: string }>(
  flows: readonly T[],
  limit: number,
): readonly T[] {
  return [...flows].sort((a, b) => (BigInt(a.last) < BigInt(b.last) ? 1 : -1)).slice(0, limit);
}

function decodeSegment(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
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
  send(response, status, 'application/json; charset=utf-8', Buffer.from(JSON.stringify(value)));
}

/** node drops the body itself when the request was HEAD. */
function send(response: ServerResponse, status: number, type: string, body: Buffer): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length }).end(body);
}
