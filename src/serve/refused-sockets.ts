import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ServeCounters } from './serve-counters.js';

/** How long an answer to what was refused may take to be read. */
const LINGER_MS = 1_000;

/** The code of node's parser, and the status for the client. */
const REFUSALS: Readonly<Record<string, readonly [status: string, code: string, text: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'headers-too-large',
    'the request line and its headers are too long',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    '408 Request Timeout',
    'request-too-slow',
    'the request was not there whole in time',
  ],
};
const NOT_HTTP = ['400 Bad Request', 'not-http', 'this is no HTTP request'] as const;

/** An answer without node's help, where a connection is not one of HTTP any more; then it ends. */
export function refuseSocket(socket: Duplex, status: string, code: string, message: string): void {
  const body = JSON.stringify({ type: 'error', code, message });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nConnection: close\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  // The other side may never close its end.
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

/** Answers, counts and ends what node would end by itself without a word in /metrics. */
export function refuseBroken(
  server: Server,
  counters: ServeCounters,
  isAnswering: (socket: Duplex) => boolean,
): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    // What was read with it may be as wrong; the client has gone; or it is in another answer.
    if (!socket.writable || error.code === 'ECONNRESET' || error.code === 'EPIPE') {
      socket.destroy();
      return;
    }
    const [status, code, text] = REFUSALS[error.code ?? ''] ?? NOT_HTTP;
    counters.refuseRequest(code);
    if (isAnswering(socket)) socket.destroy();
    else refuseSocket(socket, status, code, text);
  });
  server.on('connect', (_: IncomingMessage, socket: Duplex) => {
    counters.refuseRequest('method-not-allowed');
    refuseSocket(socket, '405 Method Not Allowed', 'method-not-allowed', 'this is no proxy');
  });
}
