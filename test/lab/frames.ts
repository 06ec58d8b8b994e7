import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/** One frame as `tcpdump -e` prints it. */
export interface Frame {
  readonly line: string;
  /** Frame length, bytes; on a device without Ethernet header, of the packet. */
  readonly length: number;
  readonly from: string | null;
  readonly to: string | null;
}

/** tcpdump on one device, from the moment it listens. */
export class Capture {
  readonly #child: ChildProcess;
  #text = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text;
    });
  }

  static async start(netns: string, device: string, filter: string): Promise<Capture> {
    const child = spawn(
      'ip',
      ['netns', 'exec', netns, 'tcpdump', '-Z', 'root', '-nelU', '--immediate-mode'].concat(
        ['-i', device],
        filter === '' ? [] : [filter],
      ),
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const capture = new Capture(child);
    let said = '';
    child.stderr?.setEncoding('utf8');
    const listening = new Promise<void>((resolve, reject) => {
      child.stderr?.on('data', (text: string) => {
        said += text;
        if (said.includes('listening on')) resolve();
      });
      child.once('exit', () => reject(new Error(`tcpdump on ${netns} ${device}: ${said}`)));
    });
    await listening;
    return capture;
  }

  /** Ends it, once `count` frames were seen or two seconds passed. */
  async frames(count = 0): Promise<readonly Frame[]> {
    for (let waited = 0; waited < 2000 && this.#frames().length < count; waited += 20) {
      await delay(20);
    }
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGINT');
    await closed;
    return this.#frames();
  }

  #frames(): Frame[] {
    // What is inside a tunnel is printed on lines of its own, which have no time.
    return this.#text
      .split(/\n(?=\d\d:\d\d:\d\d\.)/)
      .filter((line) => /length \d+/.test(line))
      .map((line) => ({
        line,
        length: Number(/length (\d+)/.exec(line)?.[1]),
        from: /^\S+ ([0-9a-f:]{17}) >/.exec(line)?.[1] ?? null,
        to: / > ([0-9a-f:]{17}),/.exec(line)?.[1] ?? null,
      }));
  }
}

/** Where to capture, and how many frames to wait for there. */
export type Place = readonly [netns: string, device: string, count: number];

/** Captures on several devices while `work` runs; frames in the order of the devices. */
export async function captured(
  places: readonly Place[],
  filter: string,
  work: () => Promise<unknown>,
): Promise<readonly (readonly Frame[])[]> {
  const captures = await Promise.all(
    places.map(([netns, device]) => Capture.start(netns, device, filter)),
  );
  await work();
  return Promise.all(captures.map((capture, index) => capture.frames(places[index]?.[2])));
}
