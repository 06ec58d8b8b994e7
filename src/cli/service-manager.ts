import { type Heartbeat, heartbeat } from '../heartbeat.js';
import { log } from '../logger.js';

/** Between two looks at whether the state in words has changed, ms. */
const STATUS_MS = 10_000;

/** What the service manager asks for (sd_notify(3), sd_watchdog_enabled(3)). */
export interface ServiceRequest {
  /** Where it receives: a path, or `@` and an abstract name; null when it asks for nothing. */
  readonly socket: string | null;
  /** It ends the service when it hears nothing for so long; null when it does not watch. */
  readonly watchdogMs: number | null;
}

/** Reads the request, and removes it from the environment: it is not for child processes. */
export function takeServiceRequest(
  environment: NodeJS.ProcessEnv = process.env,
  pid = process.pid,
): ServiceRequest {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: watched } = environment;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name];
  if (socket === undefined || socket === '') return { socket: null, watchdogMs: null };
  if (!/^[/@]./u.test(socket)) {
    log.warn('notify-failed', `NOTIFY_SOCKET is neither a path nor an abstract name: ${socket}`);
    return { socket: null, watchdogMs: null };
  }
  const ms = /^\d{1,18}$/u.test(usec ?? '') ? Number(usec) / 1_000 : 0;
  const isForUs = watched === undefined || watched === String(pid);
  return { socket, watchdogMs: isForUs && ms > 0 ? ms : null };
}

/** Reports the state of the daemon to the service manager; does nothing where there is none. */
export class ServiceManager {
  readonly #request: ServiceRequest;
  readonly #notify: (state: string) => void;
  readonly #heart: Heartbeat;
  readonly #stops: (() => void)[] = [];
  #status = '';
  #stopping = false;

  /** @param notify takes what the service manager is to receive, as sd_notify(3) has it */
  constructor(
    request: ServiceRequest,
    notify: (state: string) => void,
    heart: Heartbeat = heartbeat,
  ) {
    this.#request = request;
    this.#notify = notify;
    this.#heart = heart;
  }

  /**
   * Everything is attached. From now on it hears the state in words when that changes, and
   * where it watches, that the service lives: only when more was drained since it last heard so.
   * A timer would go on while nothing is drained any more.
   *
   * @param drained up to which time all was taken out of the ring; anything that grows with it
   */
  ready(status: () => string, drained: () => bigint): void {
    const { socket, watchdogMs } = this.#request;
    if (socket === null || this.#stopping) return;
    this.#status = status();
    this.#send(`READY=1\nSTATUS=${this.#status}`);
    this.#every(STATUS_MS, () => {
      const now = status();
      if (now !== this.#status) this.#send(`STATUS=${now}`);
      this.#status = now;
      return true;
    });
    if (watchdogMs === null) return;
    let last = drained();
    // Twice in its time, as sd_watchdog_enabled(3) asks.
    this.#every(watchdogMs / 2, () => {
      const now = drained();
      if (now === last) return false;
      last = now;
      this.#send('WATCHDOG=1');
      return true;
    });
  }

  /** It is being stopped, and that is as it should be. May be said again. */
  stopping(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const stop of this.#stops.splice(0)) stop();
    this.#send('STOPPING=1');
  }

  /**
   * By the clock: where the event loop is late, so many beats take longer than they should.
   *
   * @param act false: at the next beat again
   */
  #every(ms: number, act: () => boolean): void {
    let due = performance.now() + ms;
    const onBeat = (): void => {
      const now = performance.now();
      if (now >= due && act()) due = now + ms;
    };
    this.#stops.push(this.#heart.every(1, onBeat));
  }

  #send(state: string): void {
    if (this.#request.socket !== null) this.#notify(state);
  }
}
