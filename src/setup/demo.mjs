#!/usr/bin/env node
// @ts-check
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { argv, execPath } from 'node:process';
import { bootstrap, ROOT, reportFailure } from './bootstrap.mjs';

/**
 * `npm run demo`: what is missing on this machine, then `hopscope demo`; with `--vm` on an
 * emulated kernel of Debian's, the dashboard forwarded to this machine.
 *
 * @param {readonly string[]} args
 * @returns {Promise<number>} exit status
 */
async function main(args) {
  const rest = args.filter((arg) => arg !== '--vm');
  if (rest.length < args.length) {
    // Loaded here alone: only this needs what tests need.
    const { main: runInGuest } = await import('../../test/guest/run.mjs');
    return runInGuest(['demo', ...rest]);
  }
  try {
    await bootstrap();
  } catch (error) {
    return reportFailure(error);
  }
  const child = spawn(execPath, [join(ROOT, 'dist', 'cli', 'main.js'), 'demo', ...rest], {
    stdio: 'inherit',
  });
  // The terminal gives Ctrl-C to both: the demo takes its lab down, and then this ends.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve) => {
    child.on('close', (status) => resolve(status ?? 1));
  });
}

process.exitCode = await main(argv.slice(2));
