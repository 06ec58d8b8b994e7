import { setTimeout as delay } from 'node:timers/promises';
import { probe } from 'ebpf-ts';
import type { PathRecord } from 'hopscope-protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { FinishedPath } from '../../src/flow/finished-path.js';
import { runCommand } from '../../src/lab/run-command.js';
import { Pipeline } from '../../src/pipeline.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { readNamespace } from '../../src/source/namespace-number.js';
import { TRACER_OBJECT } from './tracer-object.js';

const NAMESPACES = 300;
/** How many there are at a time. */
const AT_ONCE = 20;
const LIFE_SECONDS = 1;
const PREFIX = 'hs-churn-';
const { available } = probe().netfilterLink;

const source = new KernelSource({ objectFile: TRACER_OBJECT });
const finished: FinishedPath[] = [];
const pipeline = new Pipeline(source, { onPath: (path) => finished.push(path) });
const inodes: number[] = [];

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  // Of a run that did not come to its end.
  await removeAll();
  await pipeline.start();
  for (let from = 0; from < NAMESPACES; from += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => live(from + i)));
  }
  await delay(1_000);
}, 180_000);
afterAll(async () => {
  await pipeline.stop();
  await removeAll();
});

async function removeAll(): Promise<void> {
  const names = (await runCommand('ip', ['netns', 'list'])).match(/^hs-churn-\d+/gmu) ?? [];
  for (const name of names) await runCommand('ip', ['netns', 'del', name]);
}

/** A namespace's address, and its name. */
const addressOf = (index: number): string =>
  `127.9.${Math.floor(index / 250)}.${(index % 250) + 1}`;
const nameOf = (index: number): string => `${PREFIX}${index}`;

/** One that lives for a second: an echo with its first breath and one with its last. */
async function live(index: number): Promise<void> {
  const name = nameOf(index);
  const echo = `ping -n -c 1 -W 1 ${addressOf(index)} >/dev/null`;
  const script = `ip link set lo up; ${echo}; sleep ${LIFE_SECONDS}; ${echo}`;
  await runCommand('ip', ['netns', 'add', name]);
  try {
    inodes.push(readNamespace(`/run/netns/${name}`).inode);
    await runCommand('ip', ['netns', 'exec', name, 'sh', '-c', script]);
  } finally {
    await runCommand('ip', ['netns', 'del', name]);
  }
}

/** What is said now, when all of them are gone, of the echo requests and replies in one of them. */
function pathsIn(index: number): PathRecord[] {
  const address = addressOf(index);
  return said().filter(({ hops }) =>
    hops.some(({ tuple }) => [tuple?.src, tuple?.dst].includes(address)),
  );
}

let records: PathRecord[] = [];

function said(): PathRecord[] {
  if (records.length === 0) records = finished.map((path) => pipeline.pathRecord(path));
  return records;
}

it('gives a namespace’s inode to another one, or this proves nothing', () => {
  expect(new Set(inodes).size).toBeLessThan(NAMESPACES);
});

it('keeps the name that each had, though all are gone', () => {
  const wrong = Array.from({ length: NAMESPACES }, (_, i) => i).filter((index) =>
    pathsIn(index).some(({ hops }) => hops.some(({ netns }) => netns !== nameOf(index))),
  );
  expect(wrong).toEqual([]);
});

it('calls none of their packets dropped', () => {
  const dropped = said().filter(
    ({ verdict, hops }) => verdict === 'dropped' && hops[0]?.netns.startsWith(PREFIX),
  );
  expect(dropped).toEqual([]);
});

it.skipIf(!available)('has hooks in each of them', () => {
  const seen = Array.from({ length: NAMESPACES }, (_, index) => {
    const paths = pathsIn(index);
    const hooked = paths.filter(({ hops }) => hops.some(({ stage }) => stage === 'netfilter'));
    return { index, paths: paths.length, hooked: hooked.length };
  });
  const half = seen.filter(({ paths, hooked }) => paths < 4 || hooked < paths);
  console.log(`hooks: ${NAMESPACES - half.length} of ${NAMESPACES} from the first packet on`);
  const without = seen.filter(({ hooked }) => hooked < 2);
  expect(without).toEqual([]);
});
