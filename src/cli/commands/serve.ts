import { DEFAULT_HOST, DEFAULT_PORT } from '../../serve/address.js';
import { startDashboard } from '../dashboard.js';
import { LISTEN_HELP, LISTEN_OPTIONS, listenOptions } from '../listen.js';
import { announceReady, kernelSource, stopRequest, untilStopped } from '../observe.js';
import { COMMON_HELP, COMMON_OPTIONS, filteredOptions, parse } from '../options.js';
import { warmUp } from '../warm-up.js';

const HELP = `Usage: hopscope serve [options] [EXPR]

The daemon and the dashboard. It watches every namespace of this machine and
serves what it sees on http://${DEFAULT_HOST}:${DEFAULT_PORT}, with metrics for
Prometheus on /metrics. Its own traffic is left out.

${LISTEN_HELP}${COMMON_HELP}`;

export async function runServe(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, { ...COMMON_OPTIONS, ...LISTEN_OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const options = filteredOptions(values, positionals);
  const listen = listenOptions(values);
  const stop = stopRequest();
  const source = kernelSource(options);
  const warm = warmUp(stop);
  const dashboard = await startDashboard({
    source,
    options,
    mode: 'live',
    description: 'live packets of this machine',
    ...listen,
    onListen: (start) => {
      source.ownPort = start;
    },
  });
  process.stderr.write(`hopscope: dashboard on ${dashboard.server.url}\n`);
  await warm;
  announceReady(source);
  await untilStopped(stop, options.durationMs);
  await dashboard.stop();
  return 0;
}
