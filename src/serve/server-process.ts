import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { SLOW_TICK_MS, TICK_MS } from 'hopscope-protocol';
import { BEAT_MS, heartbeat } from '../heartbeat.js';
import { ChannelCounters } from './channel-counters.js';
import type { HelloInfo, ListeningMessage, StartMessage } from './channel-messages.js';
import type { Collected } from './collected.js';
import { CollectorLink } from './collector-link.js';
import {
  RESTART_LEAST_MS,
  RESTART_MOST_MS,
  rowLimit,
  SERVER_YOUNG_MIB,
  START_DEADLINE_MS,
  serverHeapMib,
} from './limits.js';
import type { Access } from './listening.js';
import { LoadMeter } from './load-meter.js';
import type { Reach } from './reach.js';
import { RowFeed } from './row-feed.js';
import { ServeError } from './serve-error.js';
import { readOutput } from './server-output.js';

/** The program of the server process, beside this one once compiled. */
const SERVER_PROGRAM = fileURLToPath(new URL('./server-main.js', import.meta.url));
/** One that has run so long was no failure to start. */
const STABLE_MS = 10_000;
/** It closes its connections within so long, or is ended. */
const STOP_DEADLINE_MS = 2_000;

export interface ServerProcessOptions {
  readonly collected: Collected;
  readonly info: HelloInfo;
  /** Where the built dashboard is; without it only the API is served. */
  readonly uiDirectory: string;
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Further Host names to answer to, `name` or `name:port`. */
  readonly allowHosts: readonly string[];
  /** What it takes to serve others than this machine; null or absent on loopback. */
  readonly access?: Access | null;
  /** Bytes of the rows that the process may hold; all that ROW_TABLE_LIMIT allows when absent. */
  readonly rowBytes?: number;
  /** How it comes to its files, and to Node, where this process has given up its user. */
  readonly reach?: (() => Reach) | undefined;
  /** The compiled server-main.js. */
  readonly program?: string;
  /** Gets what goes wrong while it runs, without stopping it. */
  readonly onWarning?: (
    event: string,
    message: string,
    fields: Readonly<Record<string, unknown>>,
  ) => void;
  /** Gets each line that the process writes to its standard error. */
  readonly onOutput?: (line: string) => void;
}

/**
 * The process that serves: HTTP, WebSocket, JSON. It is a process of its own so that
 * nothing a client does can keep the ring from being drained, and so that what parses
 * the network's input needs no privilege: it gets a socket to this process as file
 * descriptor 3, a memory limit, and nothing else; no environment, no input.
 *
 * What crosses: to it, rows of changed flows as numbers (row-layout.ts), the catalog that
 * names them, once a second what was lost, and answers to its questions; from it,
 * questions, and whether anybody watches. The collector never waits for it. Rows go out
 * at most once in TICK_MS, ROWS_PER_TICK of them, and not while more than
 * CHANNEL_BACKLOG_LIMIT bytes were not taken: what was not sent is sent as it is then.
 * Nothing is kept for it but the names of changed flows in line (ROW_QUEUE_LIMIT).
 *
 * When it ends it is started again on the same port, after a wait that doubles, and its
 * clients connect anew; observation goes on. When this process ends, the channel ends,
 * and so does it.
 */
export class ServerProcess {
  readonly #options: ServerProcessOptions;
  readonly #run = randomUUID();
  readonly #feed: RowFeed;
  readonly #counters = new ChannelCounters();
  readonly #meter = new LoadMeter();
  #child: ChildProcess | null = null;
  #link: CollectorLink | null = null;
  #listening: ListeningMessage | null = null;
  #stopTicking: () => void = () => undefined;
  #restart: NodeJS.Timeout | null = null;
  #restartWait = RESTART_LEAST_MS;
  #nextStatus = 0;
  #stopped = false;

  private constructor(options: ServerProcessOptions) {
    this.#options = options;
    this.#feed = new RowFeed(options.collected.flows, { table: rowLimit(options.rowBytes) });
  }

  /**
   * Resolves once it listens.
   *
   * @throws ServeError `address-in-use`, `address-not-available`, `listen-failed`,
   * `static-too-large`, `server-process`
   */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const server = new ServerProcess(options);
    try {
      await server.#launch();
    } catch (error) {
      await server.close();
      throw error;
    }
    server.#stopTicking = heartbeat.every(TICK_MS / BEAT_MS, (lateMs) => {
      server.#meter.late(lateMs);
      server.#tick();
    });
    return server;
  }

  /** `http://127.0.0.1:7677`, with the port really taken. */
  get url(): string {
    return this.#listening?.url ?? '';
  }

  get port(): number {
    return this.#listening?.port ?? 0;
  }

  /** Of the process that serves now; undefined between two. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#stopTicking();
    this.#meter.close();
    if (this.#restart !== null) clearTimeout(this.#restart);
    const child = this.#child;
    if (child === null) return;
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
    });
    this.#link?.send({ type: 'stop' });
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await ended;
    clearTimeout(timer);
  }

  /** Starts the process; resolves once it listens. */
  #launch(): Promise<void> {
    const { collected, host, port, allowHosts, info, access = null } = this.#options;
    const { program = SERVER_PROGRAM, uiDirectory } = this.#options;
    const reach = this.#options.reach?.();
    const inChild = (file: string): string => reach?.inChild(file) ?? file;
    const args = [
      `--max-old-space-size=${serverHeapMib(rowLimit(this.#options.rowBytes))}`,
      `--max-semi-space-size=${SERVER_YOUNG_MIB}`,
      // The paths that lead there are to be kept: the files' own ones may be closed to it.
      ...['--preserve-symlinks', '--preserve-symlinks-main'],
      inChild(program),
    ];
    // Node may lie where this process may not go any more.
    const child = spawn(reach === undefined ? process.execPath : '/proc/self/exe', args, {
      cwd: '/',
      env: {},
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', reach?.descriptor ?? 'ignore'],
    });
    const begun = performance.now();
    this.#child = child;
    if (child.stderr !== null) readOutput(child.stderr, (line) => this.#options.onOutput?.(line));
    return new Promise((resolve, reject) => {
      const failed = (error: ServeError): void => {
        reject(error);
        child.kill('SIGKILL');
      };
      const timer = setTimeout(() => {
        const message = `the process that serves does not listen after ${START_DEADLINE_MS} ms`;
        failed(new ServeError('server-process', message));
      }, START_DEADLINE_MS);
      child.once('error', (cause) => {
        const message = `the process that serves cannot be started: ${cause.message}`;
        failed(new ServeError('server-process', message, { cause }));
        this.#ended(child, 'it cannot be started', begun);
      });
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        const how = signal ?? `status ${code}`;
        reject(new ServeError('server-process', `the process that serves has ended: ${how}`));
        this.#ended(child, how, begun);
      });
      const link = new CollectorLink(
        child.stdio[3] as Duplex,
        collected,
        this.#feed,
        this.#counters,
        {
          onListening: (message) => {
            clearTimeout(timer);
            this.#listening = message;
            resolve();
          },
          onFailed: ({ code, message }) => failed(new ServeError(code, message)),
          onBroken: (why) => {
            const message = `the process that serves is stopped: ${why}`;
            this.#options.onWarning?.('server-broken', message, { why });
            child.kill('SIGKILL');
          },
        },
      );
      this.#link = link;
      this.#nextStatus = 0;
      const start: StartMessage = {
        type: 'start',
        host,
        // One that is started again must be found where the first one was.
        port: this.#listening?.port ?? port,
        allowHosts,
        access,
        uiDirectory: inChild(uiDirectory),
        info,
        run: this.#run,
        epochNs: String(collected.epochNs),
        rows: rowLimit(this.#options.rowBytes),
      };
      link.send(start);
      this.#tick();
    });
  }

  #ended(child: ChildProcess, how: string, begun: number): void {
    if (this.#child !== child) return;
    this.#child = null;
    this.#link?.close();
    this.#link = null;
    this.#feed.clear();
    if (this.#stopped || this.#listening === null) return;
    if (performance.now() - begun > STABLE_MS) this.#restartWait = RESTART_LEAST_MS;
    const wait = this.#restartWait;
    this.#restartWait = Math.min(2 * wait, RESTART_MOST_MS);
    const message = `the process that serves has ended (${how}); it is started again in ${wait} ms`;
    this.#options.onWarning?.('server-ended', message, { how, waitMs: wait });
    this.#restart = setTimeout(() => {
      this.#counters.restarts += 1;
      // Its end starts it again, whatever the reason.
      this.#launch().catch((error: unknown) => {
        const what = error instanceof Error ? error.message : String(error);
        this.#options.onWarning?.('server-not-started', what, {});
      });
    }, wait);
  }

  #tick(): void {
    const link = this.#link;
    if (link === null) return;
    link.tick();
    const now = performance.now();
    if (now < this.#nextStatus) return;
    // A timer is a little late each time; a slow tick is every so many fast ones.
    this.#nextStatus = now + SLOW_TICK_MS - TICK_MS / 2;
    link.sendStatus(this.#meter.read());
  }
}
