import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { FlowFeed, QualityRecord } from '../model/feed.js';
import { ClientSession, type SessionContext } from './client-session.js';
import { FlowView } from './flow-view.js';
import { createHostGuard } from './host-guard.js';
import { route, sendJson, setSecurityHeaders } from './http-routes.js';
import { CLIENT_LIMIT, CONNECTION_LIMIT, PING_INTERVAL_MS } from './limits.js';
import {
  CLIENT_MESSAGE_LIMIT,
  type HelloMessage,
  PROTOCOL_VERSION,
  type QualityMessage,
  TICK_MS,
} from './protocol.js';
import { ServeCounters } from './serve-counters.js';
import { ServeError } from './serve-error.js';
import { loadStaticFiles } from './static-files.js';

export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_PORT = 7677;

/** What the dashboard tells of the daemon it is connected to. */
export type HelloInfo = Pick<
  HelloMessage,
  'version' | 'node' | 'kernel' | 'mode' | 'description' | 'missing'
>;

export interface ServerOptions {
  readonly feed: FlowFeed;
  /** Where the built dashboard is; without it only the API is served. */
  readonly uiDirectory: string;
  readonly info: HelloInfo;
  readonly host?: string;
  /** 0 for any free one. */
  readonly port?: number;
  /** Further Host names to answer to, `name` or `name:port`. */
  readonly allowHosts?: readonly string[];
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
 * @throws ServeError `address-in-use`, `address-not-available`, `listen-failed`
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { feed, info } = options;
  const host = options.host ?? DEFAULT_HOST;
  const counters = new ServeCounters();
  const view = new FlowView(feed);
  const sessions = new Set<ClientSession>();
  const files = await loadStaticFiles(options.uiDirectory);
  const hello: HelloMessage = {
    type: 'hello',
    protocol: PROTOCOL_VERSION,
    run: randomUUID(),
    ...info,
  };
  const quality = (): QualityRecord => {
    const record = feed.quality();
    return { ...record, shed: String(BigInt(record.shed) + BigInt(counters.shed)) };
  };
  const session: SessionContext = {
    feed,
    view,
    counters,
    hello,
    // A recording has a time of its own: that of its newest packet.
    now: () => String(info.mode === 'replay' ? view.newest : BigInt(Date.now()) * 1_000_000n),
    clock: () => performance.now(),
  };

  const server = createServer({ maxHeaderSize: 16_384, requestTimeout: 10_000 });
  server.maxConnections = CONNECTION_LIMIT;
  const port = await listen(server, host, options.port ?? DEFAULT_PORT);
  const guard = createHostGuard(port, host, options.allowHosts);

  server.on('request', (request, response) => {
    setSecurityHeaders(response);
    const refusal = guard(request.headers);
    if (refusal !== null) {
      counters.refuseRequest(refusal.code);
      sendJson(response, 403, { type: 'error', ...refusal });
      return;
    }
    try {
      route(request, response, {
        feed,
        files,
        counters,
        hello,
        quality,
        clients: () => sessions.size,
      });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      counters.refuseRequest('internal');
      if (!response.headersSent)
        sendJson(response, 500, { type: 'error', code: 'internal', message });
      else response.destroy();
    }
  });

  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: CLIENT_MESSAGE_LIMIT,
    perMessageDeflate: false,
    clientTracking: false,
  });
  const refuseUpgrade = (socket: Duplex, status: string, code: string, message: string): void => {
    counters.refuseRequest(code);
    const body = JSON.stringify({ type: 'error', code, message });
    socket.end(
      `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nConnection: close\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  };
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const refusal = guard(request.headers);
    if (refusal !== null) {
      refuseUpgrade(socket, '403 Forbidden', refusal.code, refusal.message);
    } else if (request.url?.split('?', 1)[0] !== '/ws') {
      refuseUpgrade(socket, '404 Not Found', 'not-found', 'the WebSocket is at /ws');
    } else if (sessions.size >= CLIENT_LIMIT) {
      counters.clientsRefused += 1;
      refuseUpgrade(
        socket,
        '503 Service Unavailable',
        'too-many-clients',
        `${CLIENT_LIMIT} dashboards are connected, which is the limit`,
      );
    } else {
      sockets.handleUpgrade(request, socket, head, (client) => {
        if (sessions.size === 0) {
          view.clear();
          view.tick(performance.now());
        }
        const added = new ClientSession(client, session);
        sessions.add(added);
        client.on('close', () => sessions.delete(added));
      });
    }
  });

  const ticker = setInterval(() => {
    if (sessions.size === 0) return;
    view.tick(performance.now());
    const message: QualityMessage = {
      type: 'quality',
      quality: quality(),
      clients: sessions.size,
    };
    const text = JSON.stringify(message);
    for (const client of sessions) client.tick(text);
  }, TICK_MS);
  const pinger = setInterval(() => {
    for (const client of sessions) client.checkAlive();
  }, PING_INTERVAL_MS);

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    counters,
    close: async () => {
      clearInterval(ticker);
      clearInterval(pinger);
      for (const client of sessions) client.close();
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), 500).unref();
      await closed;
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const where = `${host}:${port}`;
      if (error.code === 'EADDRINUSE') {
        const message = `${where} is taken by another program; choose another with --port`;
        reject(new ServeError('address-in-use', message, { cause: error }));
      } else if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
        const message = `${host} is not an address of this machine`;
        reject(new ServeError('address-not-available', message, { cause: error }));
      } else {
        const message = `cannot listen on ${where}: ${error.message}`;
        reject(new ServeError('listen-failed', message, { cause: error }));
      }
    };
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
