import type { Seen } from 'hopscope-protocol';
import type { Governor, Plan, WindowSize } from './governor.js';
import { DECIDE_MS } from './governor.js';
import type { HookDetail } from './hook-places.js';
import { roomOf, type WindowRoom } from './tracing-gate.js';

/** Between looks at the ring while a window is open, ms. */
const WATCH_MS = 5;
/** What a shorter time says about the daemon without a window is chance, ms. */
const QUIET_LEAST_MS = 100;

/** What the schedule opens and closes, and what it reads. */
export interface Scheduled {
  /**
   * Errors: UnsupportedError; then it sees drops.
   */
  see(sees: Seen, room?: WindowRoom): void;
  /** When the kernel went over to drops since, CLOCK_MONOTONIC in ns; null: it did not. */
  shutAt(): bigint | null;
  setDetail(detail: HookDetail): void;
  /** While paused the ring is not read: a window ends when it is time and not later. */
  pause(): void;
  resume(): void;
  /** Has all that was made handed over to the ring. */
  flush(): void;
  /** What the programs have done so far. */
  work(): Work;
  /** Bytes that wait to be read in the ring, and how many it holds. */
  waiting(): number;
  readonly ringBytes: number;
  /** CPU time of hopscope but for the process that serves, ms. */
  cpuMs(): number;
  /** CLOCK_MONOTONIC, ns. */
  now(): bigint;
  /** From `at` on so much is seen. */
  onWindow(at: bigint, sees: Seen): void;
  onWarning(message: string): void;
  /** Called at each change between staying open and windows. */
  onMode(mode: Plan['mode']): void;
  /** A period begins and ends: when to measure what the kernel takes. */
  meter: {
    begin(now: number): void;
    end(now: number): { readonly runTimeNs: number; readonly hops: number } | null;
  };
}

export interface Work {
  /** Handed over, also those that did not fit the ring, or a flow's share of it. */
  readonly hops: number;
  readonly trails: number;
  /** Bytes of trails that did fit. */
  readonly bytes: number;
  /** Hops of busy flows, which are left out between windows. */
  readonly leftOut: number;
}

interface Reading extends Work {
  readonly at: number;
}

/** Opens and closes the tracer as the governor decides. */
export class TracingSchedule {
  /** Windows opened, and those of them that somebody asked for. */
  windows = 0;
  requestedWindows = 0;
  readonly #governor: Governor;
  readonly #on: Scheduled;
  #timer: NodeJS.Timeout | null = null;
  /** What is seen now: all of it in windows. */
  #sees: Seen = 'all';
  /** ms at which it was opened last. */
  #openedAt: number;
  /** At the last change or decision, and what came since the last decision. */
  #last: Reading;
  #decidedAt: number;
  #cpuMs: number;
  #openMs = 0;
  #hops = 0;
  #trails = 0;
  #bytes = 0;
  #closedHops = 0;
  #closedBytes = 0;
  /** How long after the window at hand new flows are seen, ms. */
  #newFlowsFor = 0;
  #newFlowsMs = 0;
  #leftOut = 0;
  #wasPlanned: Plan['mode'] = 'open';
  /** Between windows: from when on, ms, what the last one brought should be dealt with. */
  #quietFrom = Number.POSITIVE_INFINITY;
  /** When that was noted, with the CPU time until then. */
  #quietSince: { readonly at: number; readonly cpuMs: number } | null = null;
  #stopped = false;

  constructor(governor: Governor, on: Scheduled) {
    this.#governor = governor;
    this.#on = on;
    this.#last = this.#read();
    this.#openedAt = this.#last.at;
    this.#decidedAt = this.#last.at;
    this.#cpuMs = on.cpuMs();
  }

  get sees(): Seen {
    return this.#sees;
  }

  get #isOpen(): boolean {
    return this.#sees === 'all';
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
    const asked = this.#governor.requested(this.#ms() - this.#openedAt);
    if (asked === null) return;
    this.requestedWindows += 1;
    this.#nextWindow(asked);
  }

  /** Time to decide while it stays open; the ring is looked at each time it is read, too. */
  #stayOpen(): void {
    if (this.#isCrowded()) return;
    this.#decide();
    if (this.#governor.plan.mode === 'open') {
      this.#on.meter.begin(this.#last.at);
      this.#wait(DECIDE_MS, () => this.#stayOpen());
    } else {
      this.#closeForWindows();
    }
  }

  /** The ring may fill up sooner than the next decision comes: called before it is read. */
  watch(waiting: number): void {
    if (this.#stopped) return;
    if (this.#isOpen) {
      this.#isCrowded(waiting);
      return;
    }
    if (this.#sees === 'new-flows' && this.#on.shutAt() !== null) this.#leaveNewFlows();
    // A timer of its own for this would wake the process once more.
    if (this.#quietSince !== null) return;
    const at = this.#ms();
    if (at >= this.#quietFrom) this.#quietSince = { at, cpuMs: this.#on.cpuMs() };
  }

  #isCrowded(waiting = this.#on.waiting()): boolean {
    if (waiting < this.#fullBytes && this.#on.shutAt() === null) return false;
    this.#governor.crowded();
    // What fills the ring are busy flows: new ones are still seen, or they would be hidden by those.
    this.#closeForWindows();
    return true;
  }

  /** After a time of seeing all. */
  #closeForWindows(): void {
    this.#newFlowsFor = this.#governor.plan.window.newFlowsMs;
    this.#close();
    this.#toWindows();
  }

  get #fullBytes(): number {
    return Math.floor(this.#governor.fullShare * this.#on.ringBytes);
  }

  #toWindows(): void {
    const { mode, periodMs } = this.#governor.plan;
    if (mode !== this.#wasPlanned) {
      this.#wasPlanned = mode;
      this.#on.onMode(mode);
    }
    const sinceOpened = this.#ms() - this.#openedAt;
    // What the window brought is to be dealt with first, however long it was.
    const wait = Math.max(periodMs - sinceOpened, periodMs / 2);
    this.#quietFrom = this.#ms() + wait / 2;
    const narrow = this.#sees === 'new-flows' ? this.#newFlowsFor : wait;
    this.#wait(Math.min(narrow, wait), () => {
      if (narrow >= wait) {
        this.#nextWindow();
        return;
      }
      this.#leaveNewFlows();
      this.#wait(wait - narrow, () => this.#nextWindow());
    });
  }

  /** Share of one core taken since the last window's packets were dealt with. */
  #quiet(at: number, cpuMs: number): number | null {
    const since = this.#quietSince;
    this.#quietSince = null;
    this.#quietFrom = Number.POSITIVE_INFINITY;
    return since === null || at - since.at < QUIET_LEAST_MS
      ? null
      : (cpuMs - since.cpuMs) / (at - since.at);
  }

  /** @param asked of a window that comes before its time */
  #nextWindow(asked: WindowSize | null = null): void {
    this.#decide();
    const { mode, detail, window } = this.#governor.plan;
    if (mode === 'windows') {
      this.#openWindow(asked ?? window, asked !== null);
      return;
    }
    this.#wasPlanned = mode;
    this.#on.setDetail(detail);
    if (!this.#open(roomOf(this.#fullBytes))) return;
    this.#on.onMode(mode);
    this.#wait(DECIDE_MS, () => this.#stayOpen());
  }

  /** @param isFair of one that was asked for a flood has no more than its share */
  #openWindow({ ms, bytes, newFlowsMs }: WindowSize, isFair: boolean): void {
    this.#newFlowsFor = newFlowsMs;
    const waiting = this.#on.waiting();
    const limit = this.#roomFor(bytes);
    const fair = { fairFrom: Math.floor((waiting + limit) / 2), share: Math.floor(bytes / 8) };
    const room = roomOf(limit);
    if (!this.#open(isFair ? { ...room, ...fair } : room)) return;
    this.windows += 1;
    this.#on.meter.begin(this.#openedAt);
    this.#on.pause();
    const end = this.#openedAt + ms;
    const look = (): void => {
      const left = end - this.#ms();
      if (left < 1 || this.#on.shutAt() !== null) {
        this.#close();
        this.#on.resume();
        this.#toWindows();
      } else {
        this.#wait(Math.min(left, WATCH_MS), look);
      }
    };
    this.#wait(Math.min(ms, WATCH_MS), look);
  }

  /** False when it was refused: then it is tried again in time. */
  #open(room: WindowRoom): boolean {
    this.#add();
    try {
      this.#on.see('all', room);
    } catch (error) {
      this.#on.onWarning(`opening the tracer again: ${String(error)}`);
      this.#openedAt = this.#ms();
      this.#wait(this.#governor.plan.periodMs, () => this.#nextWindow());
      return false;
    }
    this.#sees = 'all';
    this.#openedAt = this.#ms();
    this.#on.onWindow(this.#on.now(), 'all');
    return true;
  }

  /** Ends a window, or the time of seeing all. */
  #close(): void {
    const { detail, window } = this.#governor.plan;
    const next = this.#newFlowsFor > 0 ? 'new-flows' : 'drops';
    const shutAt = this.#on.shutAt();
    const at = shutAt ?? this.#on.now();
    this.#on.setDetail(detail);
    // The ring may have been filled up by what is not seen from now on.
    this.#on.see(next, roomOf(this.#roomFor(window.bytes, 2 * this.#fullBytes)));
    this.#on.flush();
    this.#add(milliseconds(at));
    this.#sees = next;
    this.#on.onWindow(at, next);
    this.#calibrate();
  }

  /** From now on drops alone are seen, or since the kernel found new flows to be too many. */
  #leaveNewFlows(): void {
    const at = this.#on.shutAt() ?? this.#on.now();
    this.#on.see('drops');
    this.#on.flush();
    this.#add(milliseconds(at));
    this.#sees = 'drops';
    this.#on.onWindow(at, 'drops');
  }

  /** Bytes in the ring at which so many have come; what waits already is not among them. */
  #roomFor(bytes: number, most = this.#fullBytes): number {
    return Math.min(this.#on.waiting() + bytes, most);
  }

  /** Puts what came since the last change to where it belongs. */
  #add(openUntil = Number.POSITIVE_INFINITY): void {
    const now = this.#read();
    const hops = now.hops - this.#last.hops;
    if (this.#isOpen) {
      this.#openMs += Math.max(0, Math.min(now.at, openUntil) - this.#last.at);
      this.#hops += hops;
      this.#trails += now.trails - this.#last.trails;
      this.#bytes += now.bytes - this.#last.bytes;
    } else {
      this.#closedHops += hops;
      this.#closedBytes += now.bytes - this.#last.bytes;
      if (this.#sees === 'new-flows') {
        this.#newFlowsMs += Math.max(0, Math.min(now.at, openUntil) - this.#last.at);
      }
    }
    this.#leftOut += now.leftOut - this.#last.leftOut;
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
      bytes: this.#bytes,
      closedHops: this.#closedHops,
      closedBytes: this.#closedBytes,
      newFlowsMs: this.#newFlowsMs,
      leftOut: this.#leftOut,
      cpuMs: cpuMs - this.#cpuMs,
      quiet: this.#quiet(this.#last.at, cpuMs),
    });
    this.#decidedAt = this.#last.at;
    this.#cpuMs = cpuMs;
    this.#openMs = 0;
    this.#hops = 0;
    this.#trails = 0;
    this.#bytes = 0;
    this.#closedHops = 0;
    this.#closedBytes = 0;
    this.#newFlowsMs = 0;
    this.#leftOut = 0;
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
    return milliseconds(this.#on.now());
  }

  #wait(ms: number, then: () => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(then, ms);
  }
}

function milliseconds(ns: bigint): number {
  return Number(ns / 1000n) / 1000;
}
