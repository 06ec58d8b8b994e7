import type { RingBuffer } from 'ebpf-ts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RingDrain } from '../../src/source/ring-drain.js';
import { RingReader } from '../../src/source/ring-reader.js';
import { Collector } from './collector.js';

/** What a ring is to its reader: whole records, the first of which may not be finished. */
class FakeRing implements Pick<RingBuffer, 'available' | 'drain'> {
  readonly records: Uint8Array[] = [];
  /** The oldest record is still being written. */
  isBusy = false;
  /** Records that one drain takes: a target is not endless. */
  most = Number.POSITIVE_INFINITY;
  drains = 0;

  add(...numbers: readonly number[]): void {
    this.records.push(...numbers.map((number) => new Uint8Array(16).fill(number)));
  }

  available(): number {
    return this.records.length * 16;
  }

  drain(target: Uint8Array): { records: number; bytes: number } {
    this.drains += 1;
    const taken = this.isBusy ? [] : this.records.splice(0, Math.min(this.most, 4));
    taken.forEach((record, at) => {
      target.set(record, at * 16);
    });
    return { records: taken.length, bytes: taken.length * 16 };
  }
}

let ring: FakeRing;
let sink: Collector;
let clock: bigint;
/** Trails that are still in their slots. */
let slots: number[];
/** Whether a slot is at work at each flush. */
let isBusy: boolean;
/** Whether packets are traced. */
let isOpen: boolean;
let drain: RingDrain;

beforeEach(() => {
  vi.useFakeTimers();
  ring = new FakeRing();
  sink = new Collector();
  clock = 0n;
  slots = [];
  isBusy = false;
  isOpen = true;
  drain = new RingDrain({
    available: () => ring.available(),
    reader: new RingReader({ ring, sink, reliefBytes: 48 }),
    flush: () => {
      if (isBusy) return false;
      ring.add(...slots.splice(0));
      return true;
    },
    isOpen: () => isOpen,
    now: () => clock++,
  });
});

async function stop(): Promise<void> {
  const stopped = drain.stop();
  await vi.advanceTimersByTimeAsync(100);
  await stopped;
}

afterEach(async () => {
  await stop();
  vi.useRealTimers();
});

async function turns(many: number): Promise<void> {
  for (let i = 0; i < many; i++) await vi.advanceTimersToNextTimerAsync();
}

/** `2 4` for a batch of the records 2 and 4, `@1` for a tick of 1. */
function given(): string[] {
  return sink.events.map((event) =>
    event.startsWith('tick ')
      ? `@${event.slice(5)}`
      : [...event.slice(6).matchAll(/(..){16}/gu)].map(([, byte]) => Number(`0x${byte}`)).join(' '),
  );
}

describe('a drain', () => {
  it('gives the time of the flush once the ring is read up to there', () => {
    ring.add(1, 2);
    slots.push(3);
    drain.start();
    expect(given()).toEqual(['1 2 3', '@0']);
  });

  it('does not give the time of a flush that left a trail in its slot', async () => {
    ring.add(1);
    slots.push(2);
    isBusy = true;
    drain.start();
    expect(given()).toEqual(['1', '@0']);
    await vi.advanceTimersByTimeAsync(20);
    expect(given()).toEqual(['1', '@0', '@0']);
    isBusy = false;
    await vi.advanceTimersByTimeAsync(50);
    expect(given()).toEqual(['1', '@0', '@0', '2', '@2']);
  });

  it('takes out what comes while the sink has work, from some bytes on', async () => {
    const onWaiting = (bytes: number): number => sink.events.push(`waiting ${bytes}`);
    const reader = new RingReader({
      ring,
      sink: {
        batch: (records, length) => sink.batch(records, length),
        tick: (now, relieve) => {
          if (now > 0n) return;
          ring.add(2, 3);
          relieve?.();
          sink.events.push('work');
          ring.add(4);
          relieve?.();
          sink.tick(now);
        },
      },
      onWaiting,
      reliefBytes: 48,
    });
    const lively = new RingDrain({
      ...{ available: () => ring.available(), reader, flush: () => true, now: () => clock++ },
      onWaiting,
    });
    ring.add(1);
    lively.start();
    const hex = (...numbers: number[]): string =>
      `batch ${numbers.map((number) => `0${number}`.repeat(16)).join('')}`;
    expect(sink.events).toEqual([
      ...['waiting 16', hex(1), 'work', 'waiting 48', hex(2, 3, 4), 'tick 0'],
    ]);
    await lively.stop();
  });

  it('lets what came of a batch be passed on before it takes the next one', async () => {
    const happened: string[] = [];
    let left = 3;
    const reader = new RingReader({
      ring: {
        available: () => left * 16,
        drain: () => {
          happened.push(`batch ${left}`);
          left -= 1;
          return { records: 1, bytes: 16 };
        },
      },
      sink: {
        batch: () => undefined,
        tick: () => happened.push('tick'),
        passedOn: () => new Promise((resolve) => setTimeout(resolve, 30)),
      },
    });
    const reading = reader.read(48, 0n);
    await vi.advanceTimersByTimeAsync(20);
    expect(happened).toEqual(['batch 3']);
    await vi.advanceTimersByTimeAsync(60);
    expect(happened).toEqual(['batch 3', 'batch 2', 'batch 1', 'tick']);
    expect(await reading).toBe(3);
  });

  it('has what is due dealt with by and by where that is much, and takes out what comes', async () => {
    const happened: string[] = [];
    let steps = 0;
    const reader = new RingReader({
      ring,
      sink: {
        batch: () => happened.push('batch'),
        advance: (_now, relieve) => {
          if (steps === 3) return false;
          steps += 1;
          happened.push(`step ${steps}`);
          if (steps === 2) ring.add(1, 2, 3);
          relieve?.();
          return true;
        },
        tick: () => happened.push('tick'),
      },
      reliefBytes: 48,
    });
    const reading = reader.read(0, 0n);
    await Promise.resolve();
    expect(happened).toEqual(['step 1']);
    await turns(3);
    expect(happened).toEqual(['step 1', 'step 2', 'batch', 'step 3', 'tick']);
    expect(await reading).toBe(3);
  });

  it('gives the time where nothing comes', () => {
    drain.start();
    expect(given()).toEqual(['@0']);
    expect(ring.drains).toBe(0);
  });

  it('waits before the next flush, longer when nothing has passed', async () => {
    ring.add(1);
    drain.start();
    await vi.advanceTimersByTimeAsync(19);
    expect(given()).toEqual(['1', '@0']);
    slots.push(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(given()).toEqual(['1', '@0', '2', '@1']);
    await vi.advanceTimersByTimeAsync(20);
    expect(given().at(-1)).toBe('@2');
    await vi.advanceTimersByTimeAsync(49);
    expect(given().at(-1)).toBe('@2');
    await vi.advanceTimersByTimeAsync(1);
    expect(given().at(-1)).toBe('@3');
  });

  it('waits for the next beat while packets are not traced, and for none once paused', async () => {
    isOpen = false;
    ring.add(1);
    drain.start();
    expect(given()).toEqual(['1', '@0']);
    await vi.advanceTimersByTimeAsync(99);
    expect(given()).toEqual(['1', '@0']);
    await vi.advanceTimersByTimeAsync(1);
    expect(given()).toEqual(['1', '@0', '@1']);
    drain.pause();
    await vi.advanceTimersByTimeAsync(200);
    expect(given()).toEqual(['1', '@0', '@1']);
  });

  it('gives others their turn, and no time before the ring is read up to the flush', async () => {
    ring.most = 1;
    ring.add(...Array.from({ length: 20 }, (_, at) => at + 1));
    drain.start();
    expect(given()).toEqual(['1']);
    // What comes meanwhile is after the flush: it does not put off the time.
    ring.add(21, 22, 23);
    while (!given().includes('@0')) await turns(1);
    expect(given()).toEqual([...Array.from({ length: 20 }, (_, at) => String(at + 1)), '@0']);
    expect(ring.records.length).toBe(3);
  });

  it('does not give the time while a record before the flush is still being written', async () => {
    ring.add(1);
    ring.isBusy = true;
    slots.push(2);
    drain.start();
    await turns(1);
    expect(given()).toEqual([]);
    ring.isBusy = false;
    await turns(1);
    expect(given()).toEqual(['1 2', '@0']);
  });

  it('takes what is left when it stops, with one last flush, and nothing after it', async () => {
    ring.most = 1;
    ring.add(...Array.from({ length: 10 }, (_, at) => at + 1));
    drain.start();
    slots.push(11, 12);
    await stop();
    const numbers = (from: number, to: number): string[] =>
      Array.from({ length: to - from + 1 }, (_, at) => String(from + at));
    expect(given()).toEqual([...numbers(1, 10), '@0', ...numbers(11, 12), '@1']);
    ring.add(13);
    await vi.advanceTimersByTimeAsync(1000);
    expect(given().at(-1)).toBe('@1');
  });

  it('stops in a wait', async () => {
    drain.start();
    await vi.advanceTimersByTimeAsync(10);
    slots.push(1);
    await stop();
    expect(given()).toEqual(['@0', '1', '@1']);
    expect(vi.getTimerCount()).toBe(0);
  });
});
