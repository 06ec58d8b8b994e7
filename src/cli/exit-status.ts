import type { BpfError } from 'ebpf-ts';
import { log } from '../logger.js';
import { HopscopeError, UnsupportedError, UsageError } from '../model/errors.js';
import { ConfigError, problemText } from './config-error.js';

/** What the process ends with. The code in the message says more. */
export const EXIT = {
  /** Also when it was asked to stop, by SIGINT or SIGTERM, or its reader had enough. */
  done: 0,
  /** It could not go on: port in use, disk full, damaged recording; or a check failed. */
  failed: 1,
  /** Options, arguments, configuration file. */
  usage: 2,
  /** Privileges, kernel, or a tool; the remedy is in the message. */
  unsupported: 3,
} as const;

export const EXIT_HELP = `Exit status:
  0    done, or stopped by SIGINT or SIGTERM
  1    it could not go on (port in use, output not writable, recording damaged),
       or a check failed
  2    bad usage: an option, an argument, the configuration file
  3    not permitted, or not supported by this kernel; with the remedy
  130, 143   ended at once by a second SIGINT or SIGTERM
The word in brackets at the end of an error says which, and stays the same.
`;

/** Not by its class: the addon may be what is missing, and then there is no class. */
function isBpfError(error: unknown): error is BpfError {
  return error instanceof Error && error.name === 'BpfError';
}

/** Reports an error so that one knows what to do, and gives its exit status. */
export function reportError(error: unknown): number {
  if (error instanceof ConfigError) return reportConfig(error);
  if (error instanceof UnsupportedError) {
    return failed(EXIT.unsupported, error.code, error.message, error.remedy);
  }
  if (error instanceof HopscopeError) {
    const status = error instanceof UsageError ? EXIT.usage : EXIT.failed;
    return failed(status, error.code, error.message);
  }
  if (isBpfError(error)) {
    return failed(EXIT.unsupported, error.code, `${error.operation}: ${error.message}`);
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.error('unexpected', error instanceof Error ? error.message : String(error), {
    fields: { status: EXIT.failed, stack },
    text: stack.split('\n').map((line) => `hopscope: ${line}`),
  });
  return EXIT.failed;
}

function failed(status: number, code: string, message: string, remedy?: string): number {
  const text = [`hopscope: ${message} [${code}]`];
  if (remedy !== undefined) text.push(`  ${remedy}`);
  const fields = { code, status, ...(remedy === undefined ? {} : { remedy }) };
  log.error('failed', message, { fields, text });
  return status;
}

function reportConfig({ file, problems }: ConfigError): number {
  for (const problem of problems) {
    const { code, message, ...place } = problem;
    log.error('config', message, {
      fields: { code, status: EXIT.usage, file, ...place },
      text: [`hopscope: ${problemText(file, problem)} [${code}]`],
    });
  }
  return EXIT.usage;
}
