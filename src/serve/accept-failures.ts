import type { Server } from 'node:net';
import { log } from '../logger.js';
import type { ServeCounters } from './serve-counters.js';

/**
 * A server that listens reports what accept(2) refused (EMFILE, ENFILE, ECONNABORTED) as an
 * `error`: that connection is lost, and the server goes on with the next one.
 */
export function surviveAcceptFailures(server: Server, counters: ServeCounters): void {
  server.on('error', (error: NodeJS.ErrnoException) => {
    counters.connectionsFailed += 1;
    // Once: the next ones are in the counter, and there may be thousands a second.
    if (counters.connectionsFailed > 1) return;
    log.warn('accept-failed', `a connection was not accepted: ${error.message}`);
  });
}
