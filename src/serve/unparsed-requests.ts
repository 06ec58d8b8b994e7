import type { Server } from 'node:http';
import type { ServeCounters } from './serve-counters.js';

/** How long an answer to what is no request may take to be read. */
const LINGER_MS = 1_000;

type Answer = readonly [code: string, status: string];

const BAD: Answer = ['bad-http', '400 Bad Request'];
const ANSWERS: Readonly<Record<string, Answer>> = {
  HPE_HEADER_OVERFLOW: ['headers-too-large', '431 Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request-timeout', '408 Request Timeout'],
};

/** Answers what is no HTTP, or comes too slowly, as Node would by itself, and counts it. */
export function countUnparsedRequests(server: Server, counters: ServeCounters): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const [code, status] = ANSWERS[error.code ?? ''] ?? BAD;
    counters.refuseRequest(code);
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    // The other side may never close its end.
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  });
}
