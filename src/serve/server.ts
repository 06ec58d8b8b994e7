import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  CLIENT_MESSAGE_LIMIT,
  type HelloMessage,
  PROTOCOL_VERSION,
  type QualityMessage,
  type QualityRecord,
  SLOW_TICK_MS,
  TICK_MS,
} from 'hopscope-protocol';
import { type WebSocket, WebSocketServer } from 'ws';
import { surviveAcceptFailures } from './accept-failures.js';
import { DEFAULT_HOST, DEFAULT_PORT } from './address.js';
import type { HelloInfo } from './channel-messages.js';
import { ClientSession, type SessionContext } from './client-session.js';
import { ClientTurns } from './client-turns.js';
import type { Collector } from './collector.js';
import { Connections } from './connections.js';
import { FlowDetails } from './flow-details.js';
import { GroupFeed } from './group-feed.js';
import { createHostGuard, type HostGuard } from './host-guard.js';
import { Routes, sendJson, setSecurityHeaders } from './http-routes.js';
import {
  CLIENT_LIMIT,
  DEADLINE_CHECK_MS,
  FRAGMENT_LIMIT,
  KEEP_ALIVE_MS,
  PING_INTERVAL_MS,
  REQUEST_DEADLINE_MS,
  RESPONSE_DEADLINE_MS,
} from './limits.js';
import { type Access, createWebServer, listen } from './listening.js';
import { LoadMeter } from './load-meter.js';
import { Login } from './login.js';
import { parseInParts } from './parse-in-parts.js';
import { refuseBroken, refuseSocket } from './refused-sockets.js';
import { RequestTurns } from './request-turns.js';
import { ServeCounters } from './serve-counters.js';
import { loadStaticFiles } from './static-files.js';

const NO_TOKEN = {
  code: 'no-token',
  message: 'send the token as Authorization: Bearer TOKEN, or log in at /login',
};

/** A batch so soon after the tick before waits for the next one. */
const TICK_LEAST_MS = TICK_MS / 2;

export interface ServerOptions {
  readonly collector: Collector;
  /** Where the built dashboard is; without it only the API is served. */
  readonly uiDirectory: string;
  readonly info: HelloInfo;
  /** Differs for each run of the daemon. */
  readonly run: string;
  readonly host?: string;
  /** 0 for any free one. */
  readonly port?: number;
  /** Further Host names to answer to, `name` or `name:port`. */
  readonly allowHosts?: readonly string[];
  /** With these it speaks TLS, and answers who has the token alone. */
  readonly access?: Access | null;
}

export interface RunningServer {
  /** `http://127.0.0.1:7677`, with the port really taken. */
  readonly url: string;
  readonly port: number;
  readonly counters: ServeCounters;
  close(): Promise<void>;
}

/**
 * Serves the dashboard, its WebSocket, the JSON API and the metrics.
 *
 * @throws ServeError `address-in-use`, `address-not-available`, `listen-failed`,
 * `static-too-large`
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { collector, info } = options;
  const host = options.host ?? DEFAULT_HOST;
  const counters = new ServeCounters();
  const meter = new LoadMeter();
  const details = new FlowDetails(collector);
  const groups = new GroupFeed(collector);
  const sessions = new ClientTurns(counters, () => performance.now());
  const files = await loadStaticFiles(options.uiDirectory);
  const hello: HelloMessage = {
    type: 'hello',
    protocol: PROTOCOL_VERSION,
    run: options.run,
    ...info,
  };
  const quality = (): QualityRecord | null => {
    const record = collector.status?.quality ?? null;
    if (record === null) return null;
    const skipped = String(BigInt(record.skipped) + BigInt(counters.skipped));
    return { ...record, skipped, losses: { ...record.losses, 'clients-slow': skipped } };
  };

  const { access = null } = options;
  const server = createWebServer(
    {
      maxHeaderSize: 16_384,
      headersTimeout: REQUEST_DEADLINE_MS,
      requestTimeout: REQUEST_DEADLINE_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: DEADLINE_CHECK_MS,
    },
    access,
  );
  // One that does not read on is cut off: an inactive socket reports nothing else.
  server.timeout = RESPONSE_DEADLINE_MS;
  const connections = new Connections(server, counters);
  parseInParts(server, counters);
  refuseBroken(server, counters, (socket) => connections.isBusy(socket));
  const turns = new RequestTurns(counters);
  const login = access === null ? null : new Login(access.token, options.run, () => Date.now());
  const port = await listen(server, host, options.port ?? DEFAULT_PORT);
  surviveAcceptFailures(server, counters);
  // What the cookie is for is this host: with a login, no other name leads here with one.
  const guard = createHostGuard(port, host, options.allowHosts, login !== null);
  const routes = new Routes({
    collector,
    files,
    counters,
    details,
    hello,
    quality,
    load: () => meter.read(),
    clients: () => sessions.size,
  });

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    setSecurityHeaders(response);
    // Nothing here wants a body, and whoever sends one could go on sending for ever.
    if (hasBody(request)) response.setHeader('Connection', 'close');
    const refusal = guard(request.headers);
    if (refusal !== null) {
      counters.refuseRequest(refusal.code);
      sendJson(response, 403, { type: 'error', ...refusal });
      return;
    }
    if (login?.isLogin(request) === true) {
      login.answer(request, response);
      return;
    }
    if (login !== null && !login.admits(request.headers)) {
      counters.refuseRequest('no-token');
      if (request.url === '/') login.redirect(response);
      else sendJson(response, 401, { type: 'error', ...NO_TOKEN });
      return;
    }
    routes.answer(request, response).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      counters.refuseRequest('internal');
      if (!response.headersSent)
        sendJson(response, 500, { type: 'error', code: 'internal', message });
      else response.destroy();
    });
  };
  server.on('request', (request, response) => {
    // What came with a request that ended the connection.
    if (request.socket.destroyed) return;
    connections.serve(request.socket, response);
    turns.answerInTurn(request.socket, response, () => answer(request, response));
  });

  const session: SessionContext = {
    table: collector.table,
    details,
    groups,
    history: (id) => collector.history(id),
    counters,
    hello,
    // A recording has a time of its own: that of its newest packet.
    now: () =>
      String(info.mode === 'replay' ? collector.newest() : BigInt(Date.now()) * 1_000_000n),
    clock: () => performance.now(),
  };
  let watching = false;
  acceptSockets(server, guard, login, counters, sessions, (client, socket) => {
    connections.keep(socket);
    if (!watching) {
      watching = true;
      collector.watch(true);
    }
    const added = new ClientSession(client, socket, session);
    sessions.add(added);
    if (sessions.size === 1) waitForTick();
    client.on('close', () => sessions.delete(added));
  });

  let lastTick = 0;
  let nextSlow = 0;
  const tick = (): void => {
    const now = performance.now();
    lastTick = now;
    const slow = now >= nextSlow;
    if (slow) {
      nextSlow = now + SLOW_TICK_MS - TICK_MS / 2;
      if (sessions.size === 0 && watching) {
        watching = false;
        collector.watch(false);
      }
      collector.table.measure();
      details.ask();
      groups.ask();
    }
    if (sessions.size === 0) return;
    const record = slow ? quality() : null;
    const message: QualityMessage | null =
      record === null ? null : { type: 'quality', quality: record, clients: sessions.size };
    const text = message === null ? null : JSON.stringify(message);
    sessions.tick(text);
  };
  // Rows go on as they come; when none come, clients still get their answers and figures.
  collector.onBatch(() => {
    if (performance.now() - lastTick >= TICK_LEAST_MS) tick();
  });
  let ticker: NodeJS.Timeout | undefined;
  // A wake-up costs a busy machine more than what is done in it: seldom while nobody looks.
  const waitForTick = (): void => {
    clearTimeout(ticker);
    const wait = sessions.size > 0 ? TICK_MS : SLOW_TICK_MS;
    const planned = performance.now() + wait;
    ticker = setTimeout(() => {
      const now = performance.now();
      meter.late(Math.max(0, now - planned));
      if (now - lastTick >= TICK_MS) tick();
      waitForTick();
    }, wait);
  };
  waitForTick();
  const pinger = setInterval(() => {
    for (const client of sessions) client.checkAlive();
  }, PING_INTERVAL_MS);

  return {
    url: `${access === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    counters,
    close: async () => {
      clearTimeout(ticker);
      clearInterval(pinger);
      for (const client of sessions) client.close();
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), 500).unref();
      await closed;
      meter.close();
    },
  };
}

/** Turns upgrades of admitted clients into WebSockets, and refuses all others with a code. */
function acceptSockets(
  server: Server,
  guard: HostGuard,
  login: Login | null,
  counters: ServeCounters,
  sessions: { readonly size: number },
  accept: (client: WebSocket, socket: Socket) => void,
): void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: CLIENT_MESSAGE_LIMIT,
    maxFragments: FRAGMENT_LIMIT,
    // Pings count as messages do: a session answers them.
    autoPong: false,
    perMessageDeflate: false,
    clientTracking: false,
  });
  sockets.on('wsClientError', (error, socket) =>
    refuse(socket, '400 Bad Request', 'bad-upgrade', error.message),
  );
  const refuse = (socket: Duplex, status: string, code: string, message: string): void => {
    counters.refuseRequest(code);
    refuseSocket(socket, status, code, message);
  };
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const refusal = guard(request.headers);
    if (refusal !== null) {
      refuse(socket, '403 Forbidden', refusal.code, refusal.message);
    } else if (login !== null && !login.admits(request.headers)) {
      refuse(socket, '401 Unauthorized', NO_TOKEN.code, NO_TOKEN.message);
    } else if (request.url?.split('?', 1)[0] !== '/ws') {
      refuse(socket, '404 Not Found', 'not-found', 'the WebSocket is at /ws');
    } else if (sessions.size >= CLIENT_LIMIT) {
      counters.clientsRefused += 1;
      refuse(
        socket,
        '503 Service Unavailable',
        'too-many-clients',
        `${CLIENT_LIMIT} dashboards are connected, which is the limit`,
      );
    } else {
      sockets.handleUpgrade(request, socket, head, (client) => accept(client, request.socket));
    }
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return (headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] !== undefined;
}
