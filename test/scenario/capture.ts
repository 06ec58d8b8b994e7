import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Frame } from './frame.js';
import { type CapturedFrame, readTcpdump } from './tcpdump-text.js';

const run = promisify(execFile);

/** What tcpdump has not handed over by then it never will. */
const SETTLE_MS = 150;

/** How a capture must be printed for `readTcpdump`. */
export const TCPDUMP_READ = ['-n', '-e', '-v', '-S', '-K', '-tt', '--nano'] as const;

/** Holds every header there may be; the shorter the more frames tcpdump's buffer takes. */
const SNAP_LENGTH = '256';

interface Tap {
  readonly place: string;
  readonly stage: Frame['stage'];
  readonly file: string;
  readonly child: ChildProcess;
  readonly said: { text: string };
}

/**
 * tcpdump on a number of devices, two for each: the direction of a frame is not in
 * the file, so each one takes the frames of one direction.
 */
export class Capture {
  readonly #folder: string;
  readonly #taps: readonly Tap[];

  private constructor(folder: string, taps: readonly Tap[]) {
    this.#folder = folder;
    this.#taps = taps;
  }

  /** @param places `netns/device`; resolves when every tcpdump listens */
  static async start(places: readonly string[], filter: string): Promise<Capture> {
    const folder = await mkdtemp(join(tmpdir(), 'hopscope-scenario-'));
    const taps = places.flatMap((place) => [
      startTap(place, 'egress', folder, filter),
      startTap(place, 'ingress', folder, filter),
    ]);
    await Promise.all(taps.map(listening));
    return new Capture(folder, taps);
  }

  /** Ends all of them and returns what they saw, each device in its own order. */
  async stop(): Promise<readonly CapturedFrame[]> {
    await delay(SETTLE_MS);
    const frames: CapturedFrame[] = [];
    try {
      for (const tap of this.#taps) tap.child.kill('SIGINT');
      for (const tap of this.#taps) {
        if (tap.child.exitCode === null) await once(tap.child, 'exit');
        if (!/^0 packets dropped by kernel/m.test(tap.said.text)) {
          throw new Error(`tcpdump on ${tap.place} missed packets: ${tap.said.text}`);
        }
      }
      for (const tap of this.#taps) {
        const { stdout } = await run('tcpdump', ['-r', tap.file, ...TCPDUMP_READ], {
          maxBuffer: 64 << 20,
        });
        frames.push(...readTcpdump(stdout, tap.place, tap.stage));
      }
    } finally {
      for (const tap of this.#taps) tap.child.kill('SIGKILL');
      await rm(this.#folder, { recursive: true, force: true });
    }
    return frames;
  }
}

function startTap(place: string, stage: Frame['stage'], folder: string, filter: string): Tap {
  const [netns = '', device = ''] = place.split('/');
  const file = join(folder, `${netns}-${device}-${stage}.pcap`);
  const direction = stage === 'egress' ? 'out' : 'in';
  const child = spawn(
    'nsenter',
    [`--net=/run/netns/${netns}`, 'tcpdump', '-Z', 'root', '-i', device, '-Q', direction].concat(
      ['-w', file, '-U', '--immediate-mode', '--nano', '-s', SNAP_LENGTH, '-B', '8192', '-n'],
      filter === '' ? [] : [filter],
    ),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const said = { text: '' };
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said.text += text;
  });
  return { place, stage, file, child, said };
}

async function listening({ child, said, place }: Tap): Promise<void> {
  while (!said.text.includes('listening on')) {
    if (child.exitCode !== null) throw new Error(`tcpdump on ${place}: ${said.text}`);
    await delay(10);
  }
}
