import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { log } from '../logger.js';
import { confineJoiner } from '../observe/confinement.js';
import { JOINER_CHANNEL, JOINER_DESCRIPTORS } from '../observe/joiner-process.js';
import { ObserverError } from '../observe/observer-error.js';
import { ObserverLink } from '../observe/observer-link.js';
import { Reach } from '../serve/reach.js';
import { reportError } from './exit-status.js';

/** One of hopscope's files, like all that this process and its server have to read. */
const OWN_FILE = fileURLToPath(import.meta.url);

/** What the process that joins has: a channel to the one that observes, and a way to its files. */
export class Joiner {
  readonly link: ObserverLink;
  /** Aborts when the command is to stop. */
  readonly stop: AbortSignal;
  #reach: Reach | null = null;

  private constructor() {
    const socket = new Socket({ fd: JOINER_CHANNEL, readable: true, writable: true });
    this.link = new ObserverLink(socket, JOINER_DESCRIPTORS);
    const stopping = new AbortController();
    this.stop = stopping.signal;
    this.link.onStop = (signal) => {
      log.info('stopping', `stopping at ${signal}`, { fields: { signal }, text: null });
      stopping.abort();
    };
    this.link.onGone = () => {
      process.exit(reportError(new ObserverError('OBSERVER_ENDED', 'the observer has ended')));
    };
    // Ctrl-C reaches this process too, and is for the one that observes.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
  }

  static #own: Joiner | null = null;

  /** Of this process, which joiner-main.ts has to be the program of. */
  static get own(): Joiner {
    Joiner.#own ??= new Joiner();
    return Joiner.#own;
  }

  /** How files are reached: by their paths while nothing has been given up. */
  get reach(): Reach {
    return this.#reach ?? new Reach('/', null);
  }

  /** Gives up all privileges, once. */
  confine(): void {
    this.#reach ??= confineJoiner(OWN_FILE);
  }
}
