import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { probe } from 'ebpf-ts';
import type { PathRecord } from 'hopscope-protocol';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { runCommand } from '../../src/lab/run-command.js';
import { Pipeline } from '../../src/pipeline.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { heldBy, leftOf } from './attached.js';
import { LEFT, makePair, RIGHT, removePair } from './namespaces.js';
import { TRACER_OBJECT } from './tracer-object.js';

/** A module that the tracer has to do with here, and little else has. */
const MODULE = probe().netfilterLink.available ? 'nf_conntrack' : 'ip_tables';
const PINGS = 120;
const INTERVAL_S = 0.1;

const isModule = await runCommand('modinfo', ['-n', MODULE]).then(
  (file) => !file.includes('builtin'),
  () => false,
);

let source: KernelSource | null = null;
let pipeline: Pipeline | null = null;
const paths: PathRecord[] = [];
const warnings: string[] = [];

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await removePair();
  await makePair();
});
afterEach(async () => {
  await pipeline?.stop();
});
afterAll(() => removePair());

/** Whether the module is out of the kernel, after an attempt on it and those that use it. */
async function unload(module: string): Promise<boolean> {
  const folder = `/sys/module/${module}`;
  if (!existsSync(folder)) return true;
  for (const user of readdirSync(`${folder}/holders`)) await unload(user);
  await runCommand('rmmod', [module]).catch(() => undefined);
  return !existsSync(folder);
}

async function programsAfter(known: ReadonlySet<number>): Promise<ReadonlySet<number>> {
  for (let waited = 0; waited < 20_000; waited += 100) {
    const { programs } = heldBy(process.pid);
    if ([...programs].some((id) => !known.has(id))) return programs;
    await delay(100);
  }
  throw new Error(`no other program within 20 s of ${MODULE}; ${warnings.join('; ')}`);
}

const why = isModule ? '' : ` (${MODULE} is no module on this kernel)`;

it.skipIf(!isModule)(`a module that comes later is taken up, and no hop twice${why}`, async () => {
  // Rules of a namespace that is gone hold on to it for a moment.
  await expect
    .poll(() => unload(MODULE), { timeout: 20_000, interval: 500, message: `${MODULE} in use` })
    .toBe(true);
  source = new KernelSource({
    objectFile: TRACER_OBJECT,
    netns: [LEFT.netns, RIGHT.netns],
    onWarning: (message) => warnings.push(message),
  });
  const begun: Pipeline = new Pipeline(source, {
    namespaceFiltered: true,
    onPath: (finished) => paths.push(begun.pathRecord(finished)),
  });
  pipeline = begun;
  await begun.start();
  const before = heldBy(process.pid);
  const ping = spawn('ip', [
    ...['netns', 'exec', LEFT.netns, 'ping', '-n', '-q'],
    ...['-c', String(PINGS), '-i', String(INTERVAL_S), RIGHT.address],
  ]);
  await delay(500);
  await runCommand('modprobe', [MODULE]);
  const programs = await programsAfter(before.programs);
  const after = heldBy(process.pid);
  if (MODULE === 'ip_tables') expect(programs.size).toBe(before.programs.size + 1);
  else expect(after.links.size).toBe(before.links.size);
  // The first object is freed, all of it.
  await expect
    .poll(() => leftOf(before), { timeout: 10_000, interval: 200 })
    .toEqual({ programs: [], links: [] });
  await new Promise((resolve) => ping.once('exit', resolve));
  await delay(500);
  expect(warnings).toEqual([]);
  expect(source.lost()).toBe(0n);
  await begun.stop();
  pipeline = null;

  const requests = paths.filter(({ hops }) => {
    const tuple = hops[0]?.tuple;
    return tuple?.icmp?.type === 8 && tuple.src === LEFT.address;
  });
  const sequence = requests.map(({ hops }) => hops[0]?.tuple?.icmp?.seq ?? -1);
  expect(new Set(sequence).size, 'a request is one path').toBe(sequence.length);
  // What passes while one link replaces another may go unseen.
  expect(sequence.length).toBeGreaterThan(PINGS * 0.9);
  for (const { hops } of requests) {
    const places = hops.map(({ netns, dev, stage, hook, priority }) =>
      [netns, dev, stage, hook, priority].join(' '),
    );
    expect(new Set(places).size, places.join(', ')).toBe(places.length);
  }
  const whole = requests.filter(({ verdict }) => verdict === 'delivered');
  expect(whole.length).toBeGreaterThan(PINGS * 0.9);
});
