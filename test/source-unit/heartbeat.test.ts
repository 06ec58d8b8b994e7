import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BEAT_MS, Heartbeat } from '../../src/heartbeat.js';

let heartbeat: Heartbeat;
let calls: string[];

const call =
  (name: string): (() => void) =>
  () => {
    calls.push(name);
  };

beforeEach(() => {
  vi.useFakeTimers();
  heartbeat = new Heartbeat();
  calls = [];
});

afterEach(() => {
  vi.useRealTimers();
});

const beats = (count: number): Promise<unknown> => vi.advanceTimersByTimeAsync(count * BEAT_MS);

describe('a heartbeat', () => {
  it('does what is asked for once before what is done regularly, with one timer', async () => {
    heartbeat.every(1, call('regular'));
    heartbeat.next(call('once'));
    expect(vi.getTimerCount()).toBe(1);
    await beats(2);
    expect(calls).toEqual(['once', 'regular', 'regular']);
  });

  it('calls at one of so many beats', async () => {
    heartbeat.every(3, call('third'));
    await beats(2);
    expect(calls).toEqual([]);
    await beats(4);
    expect(calls).toEqual(['third', 'third']);
  });

  it('leaves what asks for the next beat during one to the next', async () => {
    const again = (): void => {
      calls.push('again');
      heartbeat.next(again);
    };
    heartbeat.next(again);
    await beats(3);
    expect(calls).toEqual(['again', 'again', 'again']);
  });

  it('calls nobody who has called it off, and wakes nobody when nobody is left', async () => {
    const endRegular = heartbeat.every(1, call('regular'));
    const callOff = heartbeat.next(call('once'));
    endRegular();
    expect(vi.getTimerCount()).toBe(1);
    callOff();
    expect(vi.getTimerCount()).toBe(0);
    await beats(2);
    expect(calls).toEqual([]);
    heartbeat.next(call('later'));
    await beats(1);
    expect(calls).toEqual(['later']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('reports how late it is', async () => {
    const late: number[] = [];
    heartbeat.every(1, (ms) => late.push(ms));
    await beats(1);
    const now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockReturnValue(now + BEAT_MS + 30);
    await beats(1);
    clock.mockRestore();
    expect(late).toEqual([0, 30]);
  });
});
