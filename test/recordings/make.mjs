#!/usr/bin/env node
// @ts-check
/**
 * Records the fixtures anew, on Debian's kernel in a guest, and the demo's recording. To be
 * done when the layout of the kernel's records changes; the tests then say whether what is
 * said of them is still right. With `--without-demo` the demo's stays as it is.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { constants, gzipSync } from 'node:zlib';
import { bootstrap, ROOT, reportFailure } from '../../src/setup/bootstrap.mjs';
import { SetupError } from '../../src/setup/setup-error.mjs';
import { lastWords, runGuest } from '../guest/guest.mjs';
import { provideKernel } from '../guest/kernel-packages.mjs';
import { quote } from '../guest/shell-words.mjs';

const SCENARIOS = ['S2', 'S6', 'S10', 'S12', 'S13', 'S19'];
const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const DEMO = join(ROOT, 'src', 'source', 'demo-recording.hops.gz');
const WITHOUT_DEMO = argv.includes('--without-demo');
const LIMIT_SECONDS = 2400;
/** Twenty seconds of traffic have four times as much, on a machine that does nothing else. */
const DEMO_LEAST_BYTES = 1 << 20;

/** @param {string} from @param {string} to */
function pack(from, to) {
  writeFileSync(to, gzipSync(readFileSync(from), { level: constants.Z_BEST_COMPRESSION }));
}

async function main() {
  const share = mkdtempSync(join(tmpdir(), 'hopscope-recordings-'));
  /** @param {string} line */
  const say = (line) => stderr.write(`${line}\n`);
  try {
    await bootstrap({ test: true });
    const kernel = await provideKernel('6.12', say);
    const status = await runGuest({
      kernel,
      share,
      command: `cd ${quote(ROOT)} && bash test/recordings/scenes.sh /run/guest ${WITHOUT_DEMO ? 'without-demo' : ''}`,
      limitSeconds: LIMIT_SECONDS,
      onOutput: (text) => stderr.write(text),
    });
    if (status !== 0) {
      throw new SetupError('RECORDINGS', `the guest ended with status ${status}`, {
        output: lastWords(share),
        status: 1,
      });
    }
    if (!WITHOUT_DEMO && statSync(join(share, 'demo.hops')).size < DEMO_LEAST_BYTES) {
      throw new SetupError('RECORDINGS', 'the machine was too busy for the traffic of the demo', {
        status: 1,
      });
    }
    for (const name of SCENARIOS) {
      for (const kind of ['hops', 'flows.jsonl', 'paths.jsonl', 'tcpdump']) {
        pack(join(share, `${name}.${kind}`), join(FOLDER, `${name}.${kind}.gz`));
      }
    }
    if (!WITHOUT_DEMO) pack(join(share, 'demo.hops'), DEMO);
    return 0;
  } catch (error) {
    return reportFailure(error);
  } finally {
    rmSync(share, { recursive: true, force: true });
  }
}

process.exitCode = await main();
