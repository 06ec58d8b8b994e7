import type { Governor, Plan } from './governor.js';
import { DECIDE_MS } from './governor.js';
import type { HookDetail } from './hook-places.js';

/** Between looks at the ring while a window is open, ms. */
const WATCH_MS = 5;

/** What the schedule opens and closes, and what it reads. */
export interface Scheduled {
  /** Errors: UnsupportedError; then it is closed. */
  open(): void;
  close(): void;
  setDetail(detail: HookDetail): void;
  /** While paused the ring is not read: a window ends when it is time and not later. */
  pause(): void;
  resume(): void;
  /** Has all that was made handed over to the ring. */
  flush(): void;
  /** Hops and trails handed over so far, also those that did not fit the ring. */
  work(): { readonly hops: number; readonly trails: number };
  /** Bytes that wait to be read in the ring, and how many it holds. */
  waiting(): number;
  readonly ringBytes: number;
  /** CPU time of this process, ms. */
  cpuMs(): number;
  /** CLOCK_MONOTONIC, ns. */
  now(): bigint;
  /** From `at` on every packet is seen, or drops alone. */
  onWindow(at: bigint, isOpen: boolean): void;
  onWarning(message: string): void;
  /** Called at each change between staying open and windows. */
  onMode(mode: Plan['mode']): void;
  /** A period begins and ends: when to measure what the kernel takes. */
  meter: {
    begin(now: number): void;
    end(now: number): { readonly runTimeNs: number; readonly hops: number } | null;
  };
}

interface Reading {
  readonly at: number;
  readonly hops: number;
  readonly trails: number;
}

/** Opens and closes the tracer as the governor decides. */
export class TracingSchedule {
  /** Windows opened, and those of them that somebody asked for. */
  windows = 0;
  requestedWindows = 0;
  readonly #governor: Governor;
  readonly #on: Scheduled;
  #timer: NodeJS.Timeout | null = null;
  #isOpen = true;
  /** ms at which it was opened last. */
  #openedAt: number;
  /** At the last change or decision, and what came since the last decision. */
  #last: Reading;
  #decidedAt: number;
  #cpuMs: number;
  #openMs = 0;
  #hops = 0;
  #trails = 0;
  #closedHops = 0;
  #wasPlanned: Plan['mode'] = 'open';
  #stopped = false;

  constructor(governor: Governor, on: Scheduled) {
    this.#governor = governor;
    this.#on = on;
    this.#last = this.#read();
    this.#openedAt = this.#last.at;
    this.#decidedAt = this.#last.at;
    this.#cpuMs = on.cpuMs();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The tracer is open; keeps it so, or not, from now on. */
  start(): void {
    this.#last = this.#read();
    this.#openedAt = this.#last.at;
    this.#decidedAt = this.#last.at;
    this.#cpuMs = this.#on.cpuMs();
    this.#on.meter.begin(this.#last.at);
    this.#wait(DECIDE_MS, () => this.#stayOpen());
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#on.meter.end(this.#ms());
  }

  /** Somebody wants to see everything now. */
  request(): void {
    if (this.#isOpen || this.#stopped) return;
    const length = this.#governor.requested(this.#ms() - this.#openedAt);
    if (length === null) return;
    this.requestedWindows += 1;
    this.#nextWindow(length);
  }

  /** Time to decide while it stays open; the ring is looked at each time it is read, too. */
  #stayOpen(): void {
    if (this.#isCrowded()) return;
    this.#decide();
    const plan = this.#governor.plan;
    if (plan.mode === 'open') {
      this.#on.meter.begin(this.#last.at);
      this.#wait(DECIDE_MS, () => this.#stayOpen());
    } else {
      this.#close();
      this.#toWindows();
    }
  }

  /** The ring may fill up sooner than the next decision comes: called before it is read. */
  watch(waiting: number): void {
    if (this.#isOpen && !this.#stopped) this.#isCrowded(waiting);
  }

  #isCrowded(waiting = this.#on.waiting()): boolean {
    if (waiting < this.#governor.fullShare * this.#on.ringBytes) return false;
    this.#close();
    this.#governor.crowded(this.#last.at - this.#openedAt);
    this.#toWindows();
    return true;
  }

  #toWindows(): void {
    const { mode, detail, periodMs } = this.#governor.plan;
    if (mode !== this.#wasPlanned) {
      this.#wasPlanned = mode;
      this.#on.setDetail(detail);
      this.#on.onMode(mode);
    }
    const sinceOpened = this.#ms() - this.#openedAt;
    // What the window brought is to be dealt with first, however long it was.
    this.#wait(Math.max(periodMs - sinceOpened, periodMs / 2), () => this.#nextWindow());
  }

  /** @param most ms; of a window that comes before its time */
  #nextWindow(most = Number.POSITIVE_INFINITY): void {
    this.#decide();
    const { mode, detail, windowMs } = this.#governor.plan;
    if (mode === 'windows') {
      this.#openWindow(Math.min(windowMs, most));
      return;
    }
    this.#wasPlanned = mode;
    this.#on.setDetail(detail);
    if (!this.#open()) return;
    this.#on.onMode(mode);
    this.#wait(DECIDE_MS, () => this.#stayOpen());
  }

  #openWindow(length: number): void {
    if (!this.#open()) return;
    this.windows += 1;
    this.#on.meter.begin(this.#openedAt);
    this.#on.pause();
    const end = this.#openedAt + length;
    const look = (): void => {
      const left = end - this.#ms();
      if (left < 1) {
        this.#close();
        this.#on.resume();
        this.#toWindows();
      } else if (this.#isCrowded()) {
        this.#on.resume();
      } else {
        this.#wait(Math.min(left, WATCH_MS), look);
      }
    };
    this.#wait(Math.min(length, WATCH_MS), look);
  }

  /** False when it was refused: then it is tried again in time. */
  #open(): boolean {
    this.#add();
    try {
      this.#on.open();
    } catch (error) {
      this.#on.onWarning(`opening the tracer again: ${String(error)}`);
      this.#openedAt = this.#ms();
      this.#wait(this.#governor.plan.periodMs, () => this.#nextWindow());
      return false;
    }
    this.#isOpen = true;
    this.#openedAt = this.#ms();
    this.#on.onWindow(this.#on.now(), true);
    return true;
  }

  #close(): void {
    const at = this.#on.now();
    this.#on.close();
    this.#on.flush();
    this.#add();
    this.#isOpen = false;
    this.#on.onWindow(at, false);
    this.#calibrate();
  }

  /** Puts what came since the last change to where it belongs. */
  #add(): void {
    const now = this.#read();
    const hops = now.hops - this.#last.hops;
    if (this.#isOpen) {
      this.#openMs += now.at - this.#last.at;
      this.#hops += hops;
      this.#trails += now.trails - this.#last.trails;
    } else {
      this.#closedHops += hops;
    }
    this.#last = now;
  }

  /** Gives the governor what came since the last time. */
  #decide(): void {
    this.#add();
    const cpuMs = this.#on.cpuMs();
    this.#governor.decide({
      elapsedMs: this.#last.at - this.#decidedAt,
      openMs: this.#openMs,
      hops: this.#hops,
      trails: this.#trails,
      closedHops: this.#closedHops,
      cpuMs: cpuMs - this.#cpuMs,
    });
    this.#decidedAt = this.#last.at;
    this.#cpuMs = cpuMs;
    this.#openMs = 0;
    this.#hops = 0;
    this.#trails = 0;
    this.#closedHops = 0;
    if (this.#isOpen) this.#calibrate();
  }

  #calibrate(): void {
    const measured = this.#on.meter.end(this.#ms());
    if (measured !== null) this.#governor.calibrate(measured.runTimeNs, measured.hops);
  }

  #read(): Reading {
    return { at: this.#ms(), ...this.#on.work() };
  }

  #ms(): number {
    return Number(this.#on.now() / 1000n) / 1000;
  }

  #wait(ms: number, then: () => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(then, ms);
  }
}
