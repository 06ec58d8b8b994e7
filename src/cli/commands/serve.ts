import { DEFAULT_HOST, DEFAULT_PORT } from '../../serve/address.js';
import { SERVE } from '../command-options.js';
import { Joiner } from '../joiner.js';
import { accessOptions, LISTEN_OPTIONS, listenOptions } from '../listen.js';
import { announceDashboard, announceReady, observedSource, untilStopped } from '../observe.js';
import { commonHelp, optionHelp } from '../option.js';
import { COMMON_OPTIONS, filteredOptions } from '../options.js';
import { readOptions } from '../read-options.js';
import { ServiceManager, takeServiceRequest } from '../service-manager.js';

const HELP = `Usage: hopscope serve [options] [EXPR]

The daemon and the dashboard. It watches every namespace of this machine and
serves what it sees on http://${DEFAULT_HOST}:${DEFAULT_PORT}, with metrics for
Prometheus on /metrics. Its own traffic is left out. As a service of systemd it
says when it is ready, and that it lives: see hopscope config --systemd.

${optionHelp(LISTEN_OPTIONS)}${commonHelp(COMMON_OPTIONS)}`;

export async function runServe(args: string[]): Promise<number> {
  const parsed = await readOptions(args, SERVE, HELP);
  if (parsed === null) return 0;
  const { values, positionals } = parsed;
  const options = filteredOptions(values, positionals);
  const listen = { ...listenOptions(values), ...accessOptions(values) };
  const joiner = Joiner.own;
  const { stop } = joiner;
  const source = observedSource(options, { rules: true, audit: true, hasServer: true });
  // The observer loads its programs while this process loads the larger part of its own.
  source.ask();
  const [{ startDashboard }, { warmUp }] = await Promise.all([
    import('../dashboard.js'),
    import('../warm-up.js'),
  ]);
  // The service manager knows the process that observes, which passes on what is reported to it.
  const request = takeServiceRequest(process.env, process.ppid);
  const manager = new ServiceManager(request, (state) =>
    joiner.link.send({ type: 'notify', state }),
  );
  stop.addEventListener('abort', () => manager.stopping(), { once: true });
  const warm = warmUp(stop);
  const dashboard = await startDashboard({
    source,
    options,
    mode: 'live',
    description: 'live packets of this machine',
    ...listen,
    reach: () => joiner.reach,
    onListen: (start) => {
      source.ownPort = start;
    },
  });
  announceDashboard(dashboard.server.url);
  await warm;
  announceReady(source);
  const { pipeline, server } = dashboard;
  manager.ready(
    () => `dashboard on ${server.url}; ${pipeline.flows.size} flows, ${source.lost()} lost`,
    () => pipeline.drained,
  );
  await untilStopped(stop, options.durationMs);
  manager.stopping();
  await dashboard.stop();
  return 0;
}
