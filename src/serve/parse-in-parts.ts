import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { connectionEvent } from './listening.js';
import type { ServeCounters } from './serve-counters.js';

/** Bytes that node's parser gets at a time. */
const PART_BYTES = 2_048;

/**
 * Gives node's parser what came on a connection part by part, and nothing more once the
 * connection has ended. By itself it makes objects for all requests of a read at once: 64 KiB
 * have more than a thousand, which took 40 ms, and 4 MB until the connection was closed.
 */
export function parseInParts(server: Server, counters: ServeCounters): void {
  const parsing = new WeakMap<object, (chunk: Buffer) => void>();
  server.on(connectionEvent(server), (socket: Socket) => {
    const [parse, ...others] = socket.listeners('data');
    if (parse === undefined || others.length > 0) return;
    const onData = (chunk: Buffer): void => {
      for (let at = 0; at < chunk.length && !socket.destroyed; at += PART_BYTES) {
        if (!parsing.has(socket)) {
          // Whoever asks for a WebSocket has to wait for the answer.
          counters.refuseRequest('frames-before-answer');
          socket.destroy();
        } else if (socket.isPaused()) {
          // Answers wait to be read: the rest comes again when they were.
          socket.unshift(chunk.subarray(at));
          return;
        } else {
          parse.call(socket, chunk.subarray(at, at + PART_BYTES));
        }
      }
    };
    socket.off('data', parse as (chunk: Buffer) => void);
    parsing.set(socket, onData);
    socket.on('data', onData);
  });
  server.prependListener('upgrade', (request: IncomingMessage) => {
    const { socket } = request;
    const onData = parsing.get(socket);
    if (onData !== undefined) socket.off('data', onData);
    parsing.delete(socket);
  });
}
