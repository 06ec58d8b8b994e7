import { existsSync } from 'node:fs';
import { log } from '../../logger.js';
import { HopscopeError, UnsupportedError } from '../../model/errors.js';
import { Recording } from '../../source/recording.js';
import { ReplaySource } from '../../source/replay-source.js';
import { DEMO } from '../command-options.js';
import { type Dashboard, startDashboard } from '../dashboard.js';
import { Joiner } from '../joiner.js';
import { type AccessOptions, accessOptions, type ListenOptions, listenOptions } from '../listen.js';
import { announceDashboard, announceReady, observedSource, untilStopped } from '../observe.js';
import { type CommonOptions, filteredOptions } from '../options.js';
import { DEMO_RECORDING } from '../own-files.js';
import { readOptions } from '../read-options.js';

/** What the process that brought up the lab reports to the one that shows it. */
export interface DemoLab {
  /** Namespaces of the lab; empty where there is none. */
  readonly netns: readonly string[];
  /** Why there is none, of an UnsupportedError; null when there is one. */
  readonly lack: {
    readonly code: string;
    readonly message: string;
    readonly remedy: string;
  } | null;
}

/** @param args a DemoLab as JSON, then the options of the demo */
export async function runDemoDashboard([given = '', ...args]: string[]): Promise<number> {
  const { netns, lack } = JSON.parse(given) as DemoLab;
  const parsed = await readOptions(args, DEMO, '');
  if (parsed === null) return 0;
  const { values, positionals } = parsed;
  const { stop } = Joiner.own;
  // The lab's traffic is there to be looked at: all of it, unless less is asked for.
  const sample = values.sample ?? (values['cpu-budget'] === undefined ? 'all' : 'auto');
  const options = filteredOptions({ ...values, sample }, positionals);
  const listen = { ...listenOptions(values), ...accessOptions(values) };
  let dashboard: Dashboard;
  try {
    if (lack !== null) throw new UnsupportedError(lack.code, lack.message, lack.remedy);
    // The machine's own traffic would only stand in the way.
    const source = observedSource(
      { ...options, netns: options.netns ?? netns },
      { rules: true, audit: true, hasServer: true },
    );
    dashboard = await startDashboard({
      source,
      options,
      mode: 'demo',
      description: 'live packets of the lab: two nodes, three pods and a client on this machine',
      ...listen,
      reach: () => Joiner.own.reach,
      onListen: (start) => {
        source.ownPort = start;
      },
    });
    announceDashboard(dashboard.server.url);
    announceReady(source);
  } catch (error) {
    if (stop.aborted) return 0;
    if (!(error instanceof UnsupportedError)) throw error;
    dashboard = await startReplay(error, options, listen);
  }
  await untilStopped(stop, options.durationMs);
  await dashboard.stop();
  return 0;
}

async function startReplay(
  reason: UnsupportedError,
  options: CommonOptions,
  listen: ListenOptions & AccessOptions,
): Promise<Dashboard> {
  const recording = Joiner.own.reach.here(DEMO_RECORDING);
  if (!existsSync(recording)) {
    throw new HopscopeError(
      'DEMO_RECORDING_MISSING',
      'the recording for the demo is missing: run npm run build',
    );
  }
  if (reason.code !== 'DEMO_REPLAY') {
    const { code, message, remedy } = reason;
    log.warn('not-supported', message, {
      fields: { code, remedy },
      text: [`hopscope: ${message} [${code}]`, `hopscope: ${remedy}`],
    });
  }
  log.warn('showing-recording', 'showing a RECORDING of the lab, not live packets');
  const dashboard = await startDashboard({
    source: new ReplaySource(Recording.read(recording), { paced: true, loop: true }),
    options,
    mode: 'replay',
    description: 'a recording of the lab, not live packets',
    ...listen,
    reach: () => Joiner.own.reach,
  });
  announceDashboard(dashboard.server.url);
  announceReady();
  return dashboard;
}
