import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Frame } from './frame.js';
import { type CapturedFrame, readTcpdump } from './tcpdump-text.js';

/** How a capture must be printed for `readTcpdump`. */
export const TCPDUMP_READ = ['-n', '-e', '-v', '-S', '-K', '-tt', '--nano'] as const;

/** Holds every header there may be; the shorter the more frames tcpdump's buffer takes. */
const SNAP_LENGTH = '256';
const COUNTS = /(\d+) packets? captured, \d+ packets? received by filter, (\d+) packets? dropped/g;
const POLL_MS = 20;
/** A device is taken to be quiet when its count stays for this long. */
const SETTLE_MS = 100;
const START_LIMIT_MS = 60_000;
const COUNT_LIMIT_MS = 20_000;

/** One tcpdump: the direction of a frame is not printed, so each takes one direction. */
interface Tap {
  readonly place: string;
  readonly stage: Frame['stage'];
  readonly child: ChildProcess;
  printed: string;
  /** Where in `printed` the scene begins. */
  begin: number;
  said: string;
}

/**
 * tcpdump on a number of devices, for as long as a lab is up: starting them costs more
 * than a scene. They print as they go, and a scene is what was printed meanwhile.
 */
export class Capture {
  readonly #taps = new Map<string, readonly Tap[]>();

  /** Sees to it that tcpdump listens on each of `places`, `netns/device`. */
  async cover(places: readonly string[]): Promise<void> {
    const fresh = places.filter((place) => !this.#taps.has(place));
    for (const place of fresh) {
      this.#taps.set(place, [startTap(place, 'egress'), startTap(place, 'ingress')]);
    }
    await Promise.all(fresh.flatMap((place) => this.#of(place).map(listening)));
  }

  /** From here on it is the next scene. */
  async begin(places: readonly string[]): Promise<void> {
    const taps = places.flatMap((place) => this.#of(place));
    await settle(taps);
    for (const tap of taps) tap.begin = tap.printed.length;
  }

  /** The frames of the scene on each of `places`, each device in its own order. */
  async frames(places: readonly string[]): Promise<CapturedFrame[]> {
    const taps = places.flatMap((place) => this.#of(place));
    await settle(taps);
    return taps.flatMap((tap) => readTcpdump(tap.printed.slice(tap.begin), tap.place, tap.stage));
  }

  async stop(): Promise<void> {
    const taps = [...this.#taps.values()].flat();
    this.#taps.clear();
    await Promise.all(
      taps.map(async ({ child }) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }),
    );
  }

  #of(place: string): readonly Tap[] {
    return this.#taps.get(place) ?? [];
  }
}

function startTap(place: string, stage: Frame['stage']): Tap {
  const [netns = '', device = ''] = place.split('/');
  const direction = stage === 'egress' ? 'out' : 'in';
  const child = spawn(
    'nsenter',
    [`--net=/run/netns/${netns}`, 'tcpdump', '-Z', 'root', '-i', device, '-Q', direction].concat(
      ['-l', '--immediate-mode', '-s', SNAP_LENGTH, '-B', '8192'],
      TCPDUMP_READ,
    ),
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const tap: Tap = { place, stage, child, printed: '', begin: 0, said: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    tap.printed += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tap.said += text;
  });
  return tap;
}

async function listening(tap: Tap): Promise<void> {
  const started = performance.now();
  while (!tap.said.includes('listening on')) {
    if (tap.child.exitCode !== null || performance.now() - started > START_LIMIT_MS) {
      throw new Error(`tcpdump on ${tap.place}: ${tap.said}`);
    }
    await delay(POLL_MS);
  }
}

/** Waits until each has printed all it captured, and captures no more. */
async function settle(taps: readonly Tap[]): Promise<void> {
  let before = await Promise.all(taps.map(count));
  for (;;) {
    await delay(SETTLE_MS);
    const now = await Promise.all(taps.map(count));
    if (now.every((captured, index) => captured === before[index])) break;
    before = now;
  }
}

/** Frames it captured so far, once it printed them all; SIGUSR1 makes tcpdump report them. */
async function count(tap: Tap): Promise<number> {
  const known = [...tap.said.matchAll(COUNTS)].length;
  const started = performance.now();
  tap.child.kill('SIGUSR1');
  for (;;) {
    const counts = [...tap.said.matchAll(COUNTS)];
    const [, captured, dropped] = counts[known] ?? [];
    if (captured !== undefined) {
      if (dropped !== '0') throw new Error(`tcpdump on ${tap.place} missed packets: ${tap.said}`);
      if (printedRecords(tap) >= Number(captured)) return Number(captured);
    }
    if (tap.child.exitCode !== null || performance.now() - started > COUNT_LIMIT_MS) {
      throw new Error(
        `tcpdump on ${tap.place} printed ${printedRecords(tap)} of ${captured}: ${tap.said}`,
      );
    }
    await delay(POLL_MS);
  }
}

function printedRecords({ printed }: Tap): number {
  return printed.match(/^\d{10}\.\d{9} /gm)?.length ?? 0;
}
