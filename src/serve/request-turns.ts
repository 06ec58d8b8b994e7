import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { PIPELINE_LIMIT } from './limits.js';
import type { ServeCounters } from './serve-counters.js';

/**
 * One request of a connection at a time: the next one is begun when the answer before it has
 * gone out. Else a client that sends thousands and reads no answer had them all made. One that
 * sends more than PIPELINE_LIMIT ahead loses its connection.
 */
export class RequestTurns {
  readonly #counters: ServeCounters;
  /** Of connections with a request at work. */
  readonly #waiting = new Map<Socket, (() => void)[]>();

  constructor(counters: ServeCounters) {
    this.#counters = counters;
  }

  /** Calls `answer` when it is the request's turn, and never where the connection ends before. */
  answerInTurn(socket: Socket, response: ServerResponse, answer: () => void): void {
    const waiting = this.#waiting.get(socket);
    if (waiting !== undefined && waiting.length >= PIPELINE_LIMIT) {
      this.#counters.connectionsPipelined += 1;
      socket.destroy();
      return;
    }
    response.once('close', () => this.#next(socket));
    if (waiting !== undefined) {
      waiting.push(answer);
      return;
    }
    this.#waiting.set(socket, []);
    answer();
  }

  #next(socket: Socket): void {
    const next = socket.destroyed ? undefined : this.#waiting.get(socket)?.shift();
    if (next === undefined) this.#waiting.delete(socket);
    else next();
  }
}
