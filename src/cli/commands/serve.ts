import { DEFAULT_HOST, DEFAULT_PORT } from '../../serve/address.js';
import { startDashboard } from '../dashboard.js';
import { announceReady, kernelSource, stopRequest, untilStopped } from '../observe.js';
import { COMMON_HELP, COMMON_OPTIONS, commonOptions, parse, parsePort } from '../options.js';
import { warmUp } from '../warm-up.js';

/** Where a dashboard listens and whom it answers. */
export const LISTEN_OPTIONS = {
  host: { type: 'string' },
  port: { type: 'string', short: 'p' },
  'allow-host': { type: 'string', multiple: true },
} as const;

export const LISTEN_HELP = `  -p, --port PORT      listen on PORT instead of ${DEFAULT_PORT}; 0 takes any free one
  --host ADDRESS       listen on ADDRESS instead of ${DEFAULT_HOST}
  --allow-host NAME    answer requests for this host name too; repeatable
`;

const HELP = `Usage: hopscope serve [options]

The daemon and the dashboard. It watches every namespace of this machine and
serves what it sees on http://${DEFAULT_HOST}:${DEFAULT_PORT}, with metrics for
Prometheus on /metrics. Its own traffic is left out.

${LISTEN_HELP}${COMMON_HELP}`;

export async function runServe(args: string[]): Promise<number> {
  const { values } = parse(args, { ...COMMON_OPTIONS, ...LISTEN_OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const options = commonOptions(values);
  const stop = stopRequest();
  const source = kernelSource(options);
  const warm = warmUp(stop);
  const dashboard = await startDashboard({
    source,
    options,
    mode: 'live',
    description: 'live packets of this machine',
    host: values.host ?? DEFAULT_HOST,
    port: parsePort(values.port, DEFAULT_PORT),
    allowHosts: values['allow-host'] ?? [],
    onListen: (listen) => {
      source.ownPort = listen;
    },
  });
  process.stderr.write(`hopscope: dashboard on ${dashboard.server.url}\n`);
  await warm;
  announceReady(source);
  await untilStopped(stop, options.durationMs);
  await dashboard.stop();
  return 0;
}
