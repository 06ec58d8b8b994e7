import { existsSync } from 'node:fs';
import { labDown } from '../../lab/down.js';
import { labTraffic } from '../../lab/traffic.js';
import { labUp } from '../../lab/up.js';
import { log } from '../../logger.js';
import { HopscopeError, UnsupportedError } from '../../model/errors.js';
import { Recording } from '../../source/recording.js';
import { ReplaySource } from '../../source/replay-source.js';
import { DEMO, DEMO_OPTIONS } from '../command-options.js';
import { type Dashboard, startDashboard } from '../dashboard.js';
import { LISTEN_OPTIONS, type ListenOptions, listenOptions } from '../listen.js';
import {
  announceDashboard,
  announceReady,
  DEMO_RECORDING,
  kernelSource,
  stopRequest,
  untilStopped,
} from '../observe.js';
import { commonHelp, optionHelp } from '../option.js';
import { COMMON_OPTIONS, type CommonOptions, filteredOptions } from '../options.js';
import { readOptions } from '../read-options.js';

const HELP = `Usage: hopscope demo [options] [EXPR]

The reference cluster in network namespaces, traffic in it, and the dashboard
that watches it; all of it is gone when the demo ends. Where the kernel cannot be
used, a recording of the same is shown, and it says so.

${optionHelp({ ...DEMO_OPTIONS, ...LISTEN_OPTIONS })}${commonHelp(COMMON_OPTIONS)}
The lab's packets are all traced, unless --sample or --cpu-budget is given.
`;

export async function runDemo(args: string[]): Promise<number> {
  const parsed = await readOptions(args, DEMO, HELP);
  if (parsed === null) return 0;
  const { values, positionals } = parsed;
  // The lab's traffic is there to be looked at: all of it, unless less is asked for.
  const sample = values.sample ?? (values['cpu-budget'] === undefined ? 'all' : 'auto');
  const options = filteredOptions({ ...values, sample }, positionals);
  const listen = listenOptions(values);
  const encap = values.encap === undefined ? undefined : DEMO_OPTIONS.encap.read(values.encap);
  // From here on there may be a lab to take down.
  const stop = stopRequest();
  const abort = new AbortController();
  let dashboard: Dashboard;
  let traffic: Promise<unknown> = Promise.resolve();
  let lab = false;
  try {
    if (values.replay === true) {
      throw new UnsupportedError('DEMO_REPLAY', 'a recording was asked for', '');
    }
    log.info('lab', 'bringing up the lab …');
    const { netns } = await labUp(
      { signal: stop, ...(encap === undefined ? {} : { encap }) },
      (line) => log.info('lab', line),
    );
    lab = true;
    // The machine's own traffic would only stand in the way.
    const watched = { ...options, netns: options.netns ?? netns.map(({ name }) => name) };
    const source = kernelSource(watched);
    dashboard = await startDashboard({
      source,
      options,
      mode: 'demo',
      description: 'live packets of the lab: two nodes, three pods and a client on this machine',
      ...listen,
      onListen: (start) => {
        source.ownPort = start;
      },
    });
    traffic = labTraffic({}, abort.signal).catch((error: unknown) => {
      if (!abort.signal.aborted) {
        log.warn('traffic-stopped', `traffic has stopped: ${String(error)}`);
      }
    });
    announceDashboard(dashboard.server.url);
    announceReady(source);
  } catch (error) {
    if (lab) {
      await labDown();
    }
    if (stop.aborted) {
      return 0;
    }
    if (!(error instanceof UnsupportedError)) {
      throw error;
    }
    lab = false;
    dashboard = await startReplay(error, options, listen);
  }
  await untilStopped(stop, options.durationMs);
  abort.abort();
  await traffic;
  await dashboard.stop();
  if (lab) {
    await labDown();
  }
  return 0;
}

async function startReplay(
  reason: UnsupportedError,
  options: CommonOptions,
  listen: ListenOptions,
): Promise<Dashboard> {
  if (!existsSync(DEMO_RECORDING)) {
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
    source: new ReplaySource(Recording.read(DEMO_RECORDING), { paced: true, loop: true }),
    options,
    mode: 'replay',
    description: 'a recording of the lab, not live packets',
    ...listen,
  });
  announceDashboard(dashboard.server.url);
  announceReady();
  return dashboard;
}
