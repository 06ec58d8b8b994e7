#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { log } from '../logger.js';
import { UsageError } from '../model/errors.js';
import { EXIT, EXIT_HELP, reportError } from './exit-status.js';
import { exitWhenNotWritable } from './output.js';
import { trueCause } from './true-cause.js';

const HELP = `Usage: hopscope COMMAND [options]

  serve      the daemon and the dashboard, on http://127.0.0.1:7677
  flows      flows as they change, one line each
  trace      one block per packet: its hops, with the time between them
  mtu        what fits each way from a pod, and what is wrong with MTUs
  doctor     what this machine's kernel and privileges allow, and what is missing
  lab        the reference cluster in network namespaces: lab up, traffic, down
  demo       lab, traffic, daemon and dashboard in one
  record     save what the kernel gives to a file
  replay     play such a file
  config     the configuration file: its schema, a check, a unit for systemd

  hopscope COMMAND --help says more.

${EXIT_HELP}`;

type Command = (args: string[]) => Promise<number>;

/** Loaded when asked for, so that help needs neither root nor a built addon. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./commands/serve.js')).runServe,
  flows: async () => (await import('./commands/flows.js')).runFlows,
  trace: async () => (await import('./commands/trace.js')).runTrace,
  mtu: async () => (await import('./commands/mtu.js')).runMtu,
  doctor: async () => (await import('../doctor/command.js')).runDoctor,
  lab: async () => (await import('../lab/command.js')).runLab,
  demo: async () => (await import('./commands/demo.js')).runDemo,
  record: async () => (await import('./commands/record.js')).runRecord,
  replay: async () => (await import('./commands/replay.js')).runReplay,
  config: async () => (await import('./commands/config.js')).runConfig,
};

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP);
    return name === undefined ? EXIT.usage : EXIT.done;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    throw new UsageError('UNKNOWN_COMMAND', `there is no command ${name}; see hopscope --help`);
  }
  const command = await load();
  return command(rest);
}

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
  },
);
