import { setImmediate as turn } from 'node:timers/promises';
import { probe } from 'ebpf-ts';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runCommand } from '../../src/lab/run-command.js';
import { NetnsDirectory } from '../../src/source/netns-directory.js';
import { ObservedNamespaces } from '../../src/source/observed-namespaces.js';
import { Tracer } from '../../src/source/tracer.js';
import { TRACER_OBJECT } from './tracer-object.js';

const NAME = 'hs-appear';
const ROUNDS = 11;
/** What the machine does besides is in it; what hopscope does takes a millisecond or two. */
const LIMIT_MS = 100;
const { available, reason } = probe().netfilterLink;

const namespaces = new ObservedNamespaces([NAME]);
let tracer: Tracer;
let directory: NetnsDirectory;

function remove(): Promise<unknown> {
  return runCommand('ip', ['netns', 'del', NAME]).catch(() => undefined);
}

beforeEach(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await remove();
  tracer = new Tracer({ objectFile: TRACER_OBJECT, ownPort: 0, namespaceFiltered: true });
  await tracer.attach(new Map());
  directory = new NetnsDirectory(() => tracer.update(namespaces.scan()));
  directory.watch();
});
afterEach(async () => {
  directory.close();
  tracer.dispose();
  await remove();
});

/** Milliseconds until so many links are attached. */
async function untilLinks(count: number): Promise<number> {
  const started = performance.now();
  while (tracer.links !== count) {
    if (performance.now() - started > 5_000) throw new Error(`${tracer.links} links, not ${count}`);
    await turn();
  }
  return performance.now() - started;
}

function median(times: number[]): number {
  return times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
}

it.skipIf(!available)(
  `attaches at once when a name appears, and leaves at once when it goes${available ? '' : ` (${reason})`}`,
  async () => {
    const attached: number[] = [];
    const left: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await runCommand('ip', ['netns', 'add', NAME]);
      attached.push(await untilLinks(2));
      await runCommand('ip', ['netns', 'del', NAME]);
      left.push(await untilLinks(0));
    }
    process.stdout.write(
      `attached ${median(attached).toFixed(1)} ms after its name was made, left ${median(left).toFixed(1)} ms after it was deleted (medians)\n`,
    );
    expect(median(attached)).toBeLessThan(LIMIT_MS);
    expect(median(left)).toBeLessThan(LIMIT_MS);
    expect(tracer.missing).toEqual([]);
  },
);
