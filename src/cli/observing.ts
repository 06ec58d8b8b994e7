import { fileURLToPath } from 'node:url';
import { log } from '../logger.js';
import { confineObserver } from '../observe/confinement.js';
import { type Ending, JoinerProcess } from '../observe/joiner-process.js';
import { ObserverError } from '../observe/observer-error.js';
import { KeptDescriptors, takeStoredDescriptors } from './kept-descriptors.js';
import { TRACER_OBJECT } from './own-files.js';
import { takeServiceRequest } from './service-manager.js';
import { trueCause } from './true-cause.js';

/** The program of the process that joins, beside this one once compiled. */
const JOINER_PROGRAM = fileURLToPath(new URL('./joiner-main.js', import.meta.url));

export interface ObservingOptions {
  /** Keeps all privileges of this process, which needs them for something else; absent: no. */
  readonly keepsPrivileges?: boolean;
  /** Called when all is attached, or with why it cannot be. */
  readonly onBegun?: (error: unknown) => void;
}

/**
 * Runs a command that shows the running kernel, in two processes: this one observes and keeps the
 * privileges for it, the other one parses options and packets, joins and shows, with none.
 *
 * @param command as joiner-main.ts knows it
 * @returns exit status
 */
export async function runObserving(
  command: string,
  args: readonly string[],
  { keepsPrivileges = false, onBegun }: ObservingOptions = {},
): Promise<number> {
  const left = takeStoredDescriptors();
  // It starts while this process loads what observing needs.
  const joiner = new JoinerProcess(JOINER_PROGRAM, [command, ...args]);
  const { socket: address } = takeServiceRequest();
  const manager = address === null ? null : new KeptDescriptors(address, left);
  const stopping = new AbortController();
  const signals = onSignals((signal) => {
    stopping.abort(signal);
    joiner.kill();
  }, stopping);
  if (!keepsPrivileges) confineObserver();
  const [{ Observer }, { nameProviders }] = await Promise.all([
    import('../observe/observer.js'),
    import('./name-providers.js'),
  ]);
  const observer = new Observer({
    socket: joiner.socket,
    descriptors: joiner.descriptors,
    objectFile: TRACER_OBJECT,
    examine: async () => (await import('../doctor/diagnose.js')).missingForTracing(),
    trueCause,
    names: nameProviders,
    // Another command ends by itself, and nothing goes on where it stopped.
    store: command === 'serve' ? manager : null,
    onNotify: (state) => manager?.notify(state),
    ...(onBegun === undefined ? {} : { onBegun }),
    onBroken: (why) => {
      log.error('joiner-broken', `the process that joins is ended: ${why}`, { fields: { why } });
      joiner.kill();
    },
  });
  const stop = (): void => observer.stop(String(stopping.signal.reason));
  if (stopping.signal.aborted) stop();
  else stopping.signal.addEventListener('abort', stop, { once: true });
  const ending = await joiner.ended;
  signals.end();
  await observer.close();
  await manager?.flush();
  return statusOf(ending);
}

/** The first SIGINT or SIGTERM asks to stop; a second one ends both processes at once. */
function onSignals(kill: (signal: NodeJS.Signals) => void, stopping: AbortController) {
  const names = ['SIGINT', 'SIGTERM'] as const;
  function end(): void {
    for (const name of names) process.off(name, onSignal);
  }
  function onSignal(signal: NodeJS.Signals): void {
    if (!stopping.signal.aborted) {
      stopping.abort(signal);
      return;
    }
    end();
    kill(signal);
    process.kill(process.pid, signal);
  }
  for (const name of names) process.on(name, onSignal);
  return { end };
}

function statusOf({ status, signal }: Ending): number {
  if (status !== null) return status;
  const what = `the process that joins was ended by ${String(signal)}`;
  throw new ObserverError('JOINER_ENDED', what);
}
