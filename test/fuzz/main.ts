import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { argv, exit, stderr, stdout } from 'node:process';
import { campaign } from './campaign.js';
import { seedsFile, seedsText } from './corpus.js';
import { Guide } from './coverage.js';
import { Random } from './random.js';
import { seeds } from './seeds.js';
import { ADDON_TARGET } from './targets/addon.js';
import { TARGETS } from './targets.js';

/*
 * One campaign in a process of its own; run.mjs starts it with everything settled.
 *
 * main.js list | main.js seeds | main.js TARGET SEED FROM COUNT SECONDS GUIDED
 */
const [name = '', seed, from, count, seconds, guided] = argv.slice(2);

function writeSeeds(): void {
  for (const [target, inputs] of seeds()) {
    mkdirSync(dirname(seedsFile(target)), { recursive: true });
    writeFileSync(seedsFile(target), seedsText(inputs));
  }
}

async function run(): Promise<void> {
  const target = [...TARGETS, ADDON_TARGET].find((one) => one.name === name);
  if (target === undefined) throw new Error(`no target ${name}`);
  const again = guided === 'guided' ? await target.begin() : null;
  const guide =
    again === null
      ? null
      : new Guide(name, ({ input, state }) => again.check(input.slice(), new Random(state)));
  const outcome = await campaign(target, {
    seed: Number(seed),
    from: Number(from),
    count: Number(count),
    seconds: Number(seconds),
    guide,
    onProgress: ({ runs, of, seconds: took }) => {
      const rate = runs / took;
      const left = Math.min((of - runs) / rate, Number(seconds) - took);
      const found = guide === null ? '' : `, ${guide.blocks} blocks, ${guide.kept} inputs kept`;
      stdout.write(
        `${name}: ${runs} of ${of}, ${rate.toFixed(0)} a second, ${left.toFixed(0)} s left${found}\n`,
      );
    },
  });
  guide?.close();
  const { runs, good } = outcome;
  const rate = (runs / outcome.seconds).toFixed(0);
  stdout.write(
    `${name}: ${runs} inputs held, ${good} of them good, ${outcome.seconds.toFixed(1)} s, ${rate} a second, seed ${seed}\n`,
  );
  if (guide !== null) stdout.write(`${name}: ${guide.blocks} blocks, ${guide.kept} inputs kept\n`);
}

try {
  if (name === 'list') stdout.write(TARGETS.map((target) => `${target.name}\n`).join(''));
  else if (name === 'seeds') writeSeeds();
  else await run();
} catch (error) {
  stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  if (error instanceof Error && error.cause instanceof Error)
    stderr.write(`${error.cause.stack}\n`);
  exit(1);
}
exit(0);
