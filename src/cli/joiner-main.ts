/**
 * The process that parses, joins and serves what another one observes; see observing.ts. It is
 * started with a channel to that one as file descriptor 3, and a socket for descriptors as 4.
 */
import { UsageError } from '../model/errors.js';
import { runProgram } from './program.js';

type Command = (args: string[]) => Promise<number>;

const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./commands/serve.js')).runServe,
  flows: async () => (await import('./commands/flows.js')).runFlows,
  trace: async () => (await import('./commands/trace.js')).runTrace,
  explain: async () => (await import('./commands/explain.js')).runExplain,
  record: async () => (await import('./commands/record.js')).runRecord,
  demo: async () => (await import('./commands/demo-dashboard.js')).runDemoDashboard,
};

runProgram(async ([name = '', ...args]) => {
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    throw new UsageError('UNKNOWN_COMMAND', 'this program is a part of hopscope: run that');
  }
  const command = await load();
  const status = await command(args);
  const { Joiner } = await import('./joiner.js');
  Joiner.own.link.close();
  return status;
});
