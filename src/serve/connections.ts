import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { CONNECTION_LIMIT } from './limits.js';
import { connectionEvent } from './listening.js';
import type { ServeCounters } from './serve-counters.js';

/**
 * Keeps the connections of a server within CONNECTION_LIMIT. One past it takes the place
 * of the one that has been idle longest, so that those who connect and say nothing shut
 * nobody out; where all are at work, the new one is turned away.
 */
export class Connections {
  readonly #counters: ServeCounters;
  readonly #limit: number;
  /** In the order of their last use: one that is used moves to the end. */
  readonly #idle = new Set<Socket>();
  readonly #busy = new Map<Socket, number>();

  constructor(server: Server, counters: ServeCounters, limit = CONNECTION_LIMIT) {
    this.#counters = counters;
    this.#limit = limit;
    server.on(connectionEvent(server), (socket: Socket) => this.#add(socket));
    server.on('timeout', (socket: Socket) => {
      // An idle one is done; one at work has an answer that nobody reads on.
      if (this.#busy.has(socket)) this.#counters.connectionsUnread += 1;
      socket.destroy();
    });
  }

  /** Counts the connection as at work until the response has gone out. */
  serve(socket: Socket, response: ServerResponse): void {
    this.#begin(socket);
    response.once('close', () => this.#end(socket));
  }

  /** For good: it is no HTTP connection any more. */
  keep(socket: Socket): void {
    this.#begin(socket);
  }

  isBusy(socket: Duplex): boolean {
    return this.#busy.has(socket as Socket);
  }

  #add(socket: Socket): void {
    if (this.#idle.size + this.#busy.size >= this.#limit) {
      const [longest] = this.#idle;
      if (longest === undefined) {
        this.#counters.connectionsRefused += 1;
        socket.destroy();
        return;
      }
      this.#counters.connectionsIdle += 1;
      this.#idle.delete(longest);
      longest.destroy();
    }
    this.#idle.add(socket);
    socket.once('close', () => {
      this.#idle.delete(socket);
      this.#busy.delete(socket);
    });
  }

  #begin(socket: Socket): void {
    this.#idle.delete(socket);
    this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
  }

  #end(socket: Socket): void {
    const left = (this.#busy.get(socket) ?? 1) - 1;
    if (left > 0) {
      this.#busy.set(socket, left);
      return;
    }
    this.#busy.delete(socket);
    if (!socket.destroyed) this.#idle.add(socket);
  }
}
