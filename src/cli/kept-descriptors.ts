import { BpfError, sendUnixDatagram } from 'ebpf-ts';
import { log } from '../logger.js';
import type { HopscopeError } from '../model/errors.js';
import type { DescriptorStore, StoredDescriptor } from '../source/descriptor-store.js';

/**
 * Descriptors that are kept, four maps and two links for each device: FileDescriptorStoreMax= of
 * the unit. The names of all come back in one variable of the environment, of 128 KiB at most
 * (MAX_ARG_STRLEN), and a device's name takes up to 17 bytes.
 */
export const KEPT_DESCRIPTORS_LIMIT = 6_004;
/** Messages in words that wait for the service manager; past it they are dropped. */
export const STATES_LIMIT = 64;
/** The first of those that a service is started with (sd_listen_fds(3)). */
const FIRST = 3;
/** While its queue is full: a socket's is 10 messages long where nobody has raised it. */
const RETRY_MS = 20;
/** For what waits when the process ends. */
const FLUSH_MS = 2_000;
const BUSY = new Set(['EAGAIN', 'ENOBUFS']);

interface Outgoing {
  readonly state: string;
  readonly name: string | null;
  readonly descriptors: readonly number[];
}

/** Takes what the service manager kept out of the environment: it is not for child processes. */
export function takeStoredDescriptors(
  environment: NodeJS.ProcessEnv = process.env,
  pid = process.pid,
): StoredDescriptor[] {
  const { LISTEN_PID: owner, LISTEN_FDS: count = '', LISTEN_FDNAMES: names = '' } = environment;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete environment[name];
  if (owner !== String(pid) || !/^\d{1,5}$/u.test(count)) return [];
  return names
    .split(':')
    .slice(0, Number(count))
    .map((name, index) => ({ name, descriptor: FIRST + index }));
}

/**
 * The service manager's socket, to which this process alone may write (NotifyAccess=main): what it
 * is to hear, and the descriptors that it keeps for the next process (sd_notify(3), FDSTORE=1).
 * Nothing waits for it: what its queue has no room for is sent later, in order.
 */
export class KeptDescriptors implements DescriptorStore {
  readonly #address: string;
  readonly #limit: number;
  #left: readonly StoredDescriptor[];
  /** How many of each name are kept, or are about to be. */
  readonly #kept = new Map<string, number>();
  #total = 0;
  #waiting: Outgoing[] = [];
  #timer: NodeJS.Timeout | null = null;
  #hasFailed = false;
  #onEmpty: () => void = () => undefined;

  /** @param left by an earlier process */
  constructor(address: string, left: readonly StoredDescriptor[], limit = KEPT_DESCRIPTORS_LIMIT) {
    this.#address = address;
    this.#left = left;
    this.#limit = limit;
    for (const { name } of left) this.#count(name, 1);
  }

  /** As sd_notify(3) has it. */
  notify(state: string): void {
    if (this.#waiting.filter(({ name }) => name === null).length >= STATES_LIMIT) return;
    this.#send({ state, name: null, descriptors: [] });
  }

  take(): readonly StoredDescriptor[] {
    const left = this.#left;
    this.#left = [];
    return left;
  }

  keep(name: string, descriptors: readonly number[]): boolean {
    if (this.#total + descriptors.length > this.#limit) return false;
    this.#count(name, descriptors.length);
    // Maps cannot be polled, which counts as an error, for which it would forget them at once.
    this.#send({ state: `FDSTORE=1\nFDPOLL=0\nFDNAME=${name}`, name, descriptors });
    return true;
  }

  forget(name: string): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    this.#kept.delete(name);
    this.#total -= kept;
    this.#waiting = this.#waiting.filter((each) => each.name !== name);
    this.#send({ state: `FDSTOREREMOVE=1\nFDNAME=${name}`, name, descriptors: [] });
  }

  continued(devices: number): void {
    log.info(
      'counts-continued',
      `counting goes on from before the restart, on ${devices} devices`,
      {
        fields: { devices },
      },
    );
  }

  refused({ code, message }: HopscopeError): void {
    log.warn('counts-anew', `${message}: every flow is counted anew [${code}]`, {
      fields: { code },
    });
  }

  /** Resolved when all was sent, or when that takes too long. */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, FLUSH_MS);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #count(name: string, descriptors: number): void {
    this.#kept.set(name, (this.#kept.get(name) ?? 0) + descriptors);
    this.#total += descriptors;
  }

  #send(message: Outgoing): void {
    this.#waiting.push(message);
    if (this.#timer === null) this.#sendWaiting();
  }

  #sendWaiting(): void {
    this.#timer = null;
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined) break;
      if (!this.#isSent(next)) {
        this.#timer = setTimeout(() => this.#sendWaiting(), RETRY_MS);
        return;
      }
      this.#waiting.shift();
    }
    this.#onEmpty();
  }

  /** False: it has to be sent again. */
  #isSent({ state, descriptors }: Outgoing): boolean {
    try {
      sendUnixDatagram(this.#address, Buffer.from(state), descriptors);
      this.#hasFailed = false;
    } catch (error) {
      if (error instanceof BpfError && BUSY.has(error.code)) return false;
      // Once: what is sent next will fail like this.
      if (!this.#hasFailed) log.warn('notify-failed', `the service manager: ${String(error)}`);
      this.#hasFailed = true;
    }
    return true;
  }
}
