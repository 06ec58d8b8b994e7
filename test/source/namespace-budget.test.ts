import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { probe } from 'ebpf-ts';
import type { PathRecord } from 'hopscope-protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand, runIn } from '../../src/lab/run-command.js';
import { Pipeline } from '../../src/pipeline.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { WATCHED_OF_USER_LIMIT } from '../../src/source/namespace-budget.js';
import { LEFT, makePair, RIGHT, removePair } from './namespaces.js';
import { TRACER_OBJECT } from './tracer-object.js';

const NOBODY = '65534';
const MADE = WATCHED_OF_USER_LIMIT + 10;
const { available } = probe().netfilterLink;

const paths: PathRecord[] = [];
const source = new KernelSource({ objectFile: TRACER_OBJECT });
const pipeline = new Pipeline(source, {
  onPath: (finished) => paths.push(pipeline.pathRecord(finished)),
});
let maker: ChildProcess;

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await removePair();
  await pipeline.start();
  const each = `i=0; while [ $i -lt ${MADE} ]; do unshare -Urn sleep 300 & i=$((i + 1)); done; wait`;
  const words = ['--reuid', NOBODY, '--clear-groups', '--pdeathsig', 'KILL', 'sh', '-c', each];
  maker = spawn('setpriv', words, { stdio: 'ignore', detached: true });
});
afterAll(async () => {
  if (maker.exitCode === null && maker.signalCode === null) {
    process.kill(-Number(maker.pid), 'SIGKILL');
    await once(maker, 'exit');
  }
  await pipeline.stop();
  await removePair();
});

/** Links that this process holds. */
function links(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes('bpf_link');
    } catch {
      return false;
    }
  }).length;
}

it.skipIf(!available)('a user who makes namespaces gets no more than a share of them', async () => {
  const before = links();
  const missing = () => source.missing.filter((text) => text.includes(`user ${NOBODY}`));
  await expect
    .poll(missing, { timeout: 10_000 })
    .toEqual([
      expect.stringMatching(
        new RegExp(
          `^hooks of namespaces of user ${NOBODY} past ${WATCHED_OF_USER_LIMIT}, in /proc/\\d+/ns/net and 9 more, since `,
          'u',
        ),
      ),
    ]);
  // The end of INPUT in both families is all that is attached in an empty one; and what was begun.
  expect(links() - before).toBeLessThanOrEqual(2 * WATCHED_OF_USER_LIMIT + 8);
  await makePair();
  await delay(500);
  await runIn(LEFT.netns, 'ping', ['-n', '-c', '1', '-W', '1', RIGHT.address]);
  const seen = () =>
    paths.some(({ hops }) =>
      hops.some(({ netns, stage }) => netns === RIGHT.netns && stage === 'netfilter'),
    );
  await expect.poll(seen, { timeout: 3_000 }).toBe(true);
});

it.skipIf(!available)('and it is said no longer when they have gone', async () => {
  await runCommand('pkill', ['-KILL', '-g', String(maker.pid), 'sleep']).catch(() => '');
  const said = () => source.missing.some((text) => text.includes(`user ${NOBODY}`));
  await expect.poll(said, { timeout: 15_000 }).toBe(false);
});
