/** Between two beats, ms. */
export const BEAT_MS = 100;

/** @param lateMs how much later than planned the beat came: the event loop was busy */
export type OnBeat = (lateMs: number) => void;

interface Regular {
  readonly beats: number;
  readonly onBeat: OnBeat;
  left: number;
}

/**
 * One timer for all that has to be done from time to time. Each wake-up of a process takes some
 * 600 µs from a sender that fills a CPU of two, whatever is done in it: measured with a loop of
 * 0.1 ms, which took 1.3% of the packets at 20 wake-ups a second and 5.9% at 100. So what can
 * wait is done in the same wake-up.
 */
export class Heartbeat {
  readonly #regular = new Set<Regular>();
  readonly #passive = new Set<OnBeat>();
  #once = new Set<OnBeat>();
  #timer: NodeJS.Timeout | null = null;
  #planned = 0;

  /** Calls at each beat, or at one of so many, after what `next` asked for; returns what ends that. */
  every(beats: number, onBeat: OnBeat): () => void {
    const regular: Regular = { beats, onBeat, left: beats };
    this.#regular.add(regular);
    this.#start();
    return () => {
      this.#regular.delete(regular);
      this.#stopIdle();
    };
  }

  /** Calls first at each beat that there is anyway: it keeps no timer, and no process, alive. */
  alongside(onBeat: OnBeat): void {
    this.#passive.add(onBeat);
  }

  /** Calls at the next beat alone; returns what calls that off. */
  next(onBeat: OnBeat): () => void {
    this.#once.add(onBeat);
    this.#start();
    return () => {
      this.#once.delete(onBeat);
      this.#stopIdle();
    };
  }

  #start(): void {
    if (this.#timer !== null) return;
    this.#planned = performance.now() + BEAT_MS;
    this.#timer = setInterval(() => this.#beat(), BEAT_MS);
  }

  #stopIdle(): void {
    if (this.#timer === null || this.#regular.size > 0 || this.#once.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #beat(): void {
    const now = performance.now();
    const late = Math.max(0, now - this.#planned);
    this.#planned = now + BEAT_MS;
    for (const onBeat of this.#passive) onBeat(late);
    const once = this.#once;
    this.#once = new Set();
    for (const onBeat of once) onBeat(late);
    for (const regular of this.#regular) {
      regular.left -= 1;
      if (regular.left > 0) continue;
      regular.left = regular.beats;
      regular.onBeat(late);
    }
    this.#stopIdle();
  }
}

/** Of this process. */
export const heartbeat = new Heartbeat();
