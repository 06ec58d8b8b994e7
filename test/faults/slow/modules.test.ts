import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { PathRecord } from 'hopscope-protocol';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { runCommand } from '../../../src/lab/run-command.js';
import { makePair, removePair } from '../../source/namespaces.js';
import { LEFT, RIGHT, Sender, WATCHED } from '../faulty-net.js';
import { FaultyProcess } from '../faulty-process.js';
import { outcome } from '../outcome.js';
import { recordsOf } from '../records.js';

/** The tracer has to do with the first two, and looks at all that come. */
const MODULES = ['nf_conntrack', 'ip_tables', 'xt_conntrack', 'vxlan', 'ip_vs'] as const;
const ROUNDS = 3;

const isModular = await runCommand('modinfo', ['-n', 'nf_conntrack']).then(
  (file) => !file.includes('builtin'),
  () => false,
);

let started: FaultyProcess | null = null;
let sender: Sender | null = null;

beforeAll(async () => {
  await removePair(LEFT, RIGHT);
  await makePair(LEFT, RIGHT);
});
afterEach(() => {
  started?.remove();
  sender?.kill();
});
afterAll(() => removePair(LEFT, RIGHT));

/** Whether it is out of the kernel, after an attempt on it and those that use it. */
async function unload(module: string): Promise<boolean> {
  const folder = `/sys/module/${module}`;
  if (!existsSync(folder)) return true;
  for (const user of readdirSync(`${folder}/holders`)) await unload(user);
  await runCommand('rmmod', [module]).catch(() => undefined);
  return !existsSync(folder);
}

const why = isModular ? '' : ' (this kernel has them built in: run it in a guest)';

test.skipIf(!isModular)(
  `modules that come and go under load${why}`,
  async () => {
    const args = ['trace', '--json', '--sample', 'all', ...WATCHED, 'udp'];
    const trace = new FaultyProcess(args);
    started = trace;
    await trace.untilReady();
    sender = await Sender.start(8000, 8001, 1);
    let unloaded = 0;
    for (let round = 0; round < ROUNDS; round++) {
      for (const module of MODULES) await runCommand('modprobe', [module]);
      await delay(2000);
      trace.note();
      for (const module of [...MODULES].reverse()) if (await unload(module)) unloaded += 1;
      await delay(1000);
    }
    await sender.stop();
    await delay(3000);
    const after = await Sender.start(8100, 8101, 1);
    await delay(1000);
    const sent = await after.stop();
    await delay(5000);
    expect(await trace.end('SIGTERM')).toBe(0);
    const paths = recordsOf<PathRecord>(trace.out).filter(
      ({ hops }) => hops[0]?.tuple?.sport === 8100,
    );
    expect(paths.length).toBe(sent);
    expect(paths.filter(({ complete }) => complete).length).toBe(sent);
    expect(unloaded, 'what hopscope attached to would keep a module').toBeGreaterThan(ROUNDS);
    expect(trace.err).not.toMatch(/ at .*\.js:\d/);
    await trace.expectNothingLeft();
    outcome(
      'modules loaded and unloaded',
      `${unloaded} unloads; each packet after that is one path`,
    );
  },
  240_000,
);
