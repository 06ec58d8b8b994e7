#!/usr/bin/env node
import { UsageError } from '../model/errors.js';
import { EXIT, EXIT_HELP } from './exit-status.js';
import { runProgram } from './program.js';

const HELP = `Usage: hopscope COMMAND [options]

  serve      the daemon and the dashboard, on http://127.0.0.1:7677
  flows      flows as they change, one line each
  trace      one block per packet: its hops, with the time between them
  explain    which rules and routes a flow met, or a packet would meet
  mtu        what fits each way from a pod, and what is wrong with MTUs
  doctor     what this machine's kernel and privileges allow, and what is missing
  lab        the reference cluster in network namespaces: lab up, traffic, down
  demo       lab, traffic, daemon and dashboard in one
  manifest   Kubernetes manifests on standard output
  record     save what the kernel gives to a file
  replay     play such a file
  config     the configuration file: its schema, a check, a unit for systemd

  hopscope COMMAND --help says more; hopscope --version names the version.

${EXIT_HELP}`;

type Command = (args: string[]) => Promise<number>;

/** In two processes: this one has the privileges, the other one the options and the packets. */
async function observing(command: string): Promise<Command> {
  const { runObserving } = await import('./observing.js');
  return (args) => runObserving(command, args);
}

/** A packet that is described needs nobody who observes. */
async function explaining(args: string[]): Promise<number> {
  const run = args.includes('--simulate')
    ? (await import('./commands/explain.js')).runExplain
    : await observing('explain');
  return run(args);
}

/** Loaded when asked for, so that help needs neither root nor a built addon. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: () => observing('serve'),
  flows: () => observing('flows'),
  trace: () => observing('trace'),
  explain: async () => explaining,
  mtu: async () => (await import('./commands/mtu.js')).runMtu,
  doctor: async () => (await import('../doctor/command.js')).runDoctor,
  lab: async () => (await import('../lab/command.js')).runLab,
  demo: async () => (await import('./commands/demo.js')).runDemo,
  manifest: async () => (await import('../deploy/command.js')).runManifest,
  record: () => observing('record'),
  replay: async () => (await import('./commands/replay.js')).runReplay,
  config: async () => (await import('./commands/config.js')).runConfig,
};

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP);
    return name === undefined ? EXIT.usage : EXIT.done;
  }
  if (name === '--version' || name === '-V' || name === 'version') {
    const { VERSION } = await import('../version.js');
    process.stdout.write(`hopscope ${VERSION}\n`);
    return EXIT.done;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    throw new UsageError('UNKNOWN_COMMAND', `there is no command ${name}; see hopscope --help`);
  }
  const command = await load();
  return command(rest);
}

runProgram(main);
