#!/usr/bin/env node
import type { BpfError } from 'ebpf-ts';
import { printable } from '../export/printable.js';
import { HopscopeError, UnsupportedError, UsageError } from '../model/errors.js';
import { trueCause } from './true-cause.js';
import { warn } from './warn.js';

const HELP = `Usage: hopscope COMMAND [options]

  serve      the daemon and the dashboard, on http://127.0.0.1:7677
  flows      flows as they change, one line each
  trace      one block per packet: its hops, with the time between them
  doctor     what this machine's kernel and privileges allow, and what is missing
  lab        the reference cluster in network namespaces: lab up, traffic, down
  demo       lab, traffic, daemon and dashboard in one
  record     save what the kernel gives to a file
  replay     play such a file

  hopscope COMMAND --help tells more. Exit status: 0 done, 1 a check failed or
  it could not go on, 2 bad usage, 3 not permitted or not supported here.
`;

type Command = (args: string[]) => Promise<number>;

/** Loaded when asked for, so that help needs neither root nor a built addon. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./commands/serve.js')).runServe,
  flows: async () => (await import('./commands/flows.js')).runFlows,
  trace: async () => (await import('./commands/trace.js')).runTrace,
  doctor: async () => (await import('../doctor/command.js')).runDoctor,
  lab: async () => (await import('../lab/command.js')).runLab,
  demo: async () => (await import('./commands/demo.js')).runDemo,
  record: async () => (await import('./commands/record.js')).runRecord,
  replay: async () => (await import('./commands/replay.js')).runReplay,
};

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP);
    return name === undefined ? 2 : 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    throw new UsageError('UNKNOWN_COMMAND', `there is no command ${name}; see hopscope --help`);
  }
  const command = await load();
  return command(rest);
}

/** Not by its class: the addon may be what is missing, and then there is no class. */
function isBpfError(error: unknown): error is BpfError {
  return error instanceof Error && error.name === 'BpfError';
}

/** Reports an error so that one knows what to do, and gives its exit status. */
function report(error: unknown): number {
  if (error instanceof UnsupportedError) {
    warn(`${error.message} [${error.code}]`);
    process.stderr.write(`  ${printable(error.remedy)}\n`);
    return 3;
  }
  if (error instanceof HopscopeError) {
    warn(`${error.message} [${error.code}]`);
    return error instanceof UsageError ? 2 : 1;
  }
  if (isBpfError(error)) {
    warn(`${error.operation}: ${error.message} [${error.code}]`);
    return 3;
  }
  const lines = error instanceof Error ? (error.stack ?? error.message) : String(error);
  for (const line of lines.split('\n')) warn(line);
  return 1;
}

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  async (error: unknown) => {
    process.exitCode = report(await trueCause(error));
  },
);
