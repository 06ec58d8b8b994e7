import { parseArgs } from 'node:util';
import { log } from '../logger.js';
import { reportError } from './exit-status.js';
import { exitWhenNotWritable } from './output.js';
import { trueCause } from './true-cause.js';

/** What is wrong with the options is to be reported in the form that they ask for. */
function reportInJsonWhenAsked(args: string[]): void {
  const options = { 'log-format': { type: 'string' } } as const;
  const { values } = parseArgs({ args, options, strict: false });
  if (values['log-format'] !== 'json') return;
  log.format = 'json';
}

/** What Node itself would write, in words of its own. */
function takeOverFromNode(): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message, stack }) => {
    log.warn('node', `${name}: ${message}`, { fields: { stack } });
  });
  process.on('uncaughtException', (error) => process.exit(reportError(error)));
}

/** Runs a program of hopscope to its end: its exit status is what `main` gives, or of its error. */
export function runProgram(main: (args: string[]) => Promise<number>): void {
  const given = process.argv.slice(2);
  exitWhenNotWritable();
  takeOverFromNode();
  reportInJsonWhenAsked(given);
  main(given).then(
    (status) => {
      process.exitCode = status;
    },
    async (error: unknown) => {
      process.exitCode = reportError(await trueCause(error));
      // What is left of a half begun command must not keep it.
      if (process.exitCode !== 0) process.exit();
    },
  );
}
