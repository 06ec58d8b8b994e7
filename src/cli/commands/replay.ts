import { flowText } from '../../export/flow-text.js';
import { pathText } from '../../export/path-text.js';
import { jsonLine } from '../../export/printable.js';
import type { Flow } from '../../flow/flow.js';
import { UsageError } from '../../model/errors.js';
import { Pipeline } from '../../pipeline.js';
import { Recording } from '../../source/recording.js';
import { ReplaySource } from '../../source/replay-source.js';
import { startDashboard } from '../dashboard.js';
import { LISTEN_HELP, LISTEN_OPTIONS, listenOptions } from '../listen.js';
import { stopRequest, untilStopped } from '../observe.js';
import { COMMON_OPTIONS, commonOptions, oneInOf, parse } from '../options.js';
import { LineOutput } from '../output.js';
import { boundUnusedMemory } from '../unused-memory.js';
import { warn } from '../warn.js';
import { reportLosses } from './trace.js';

const HELP = `Usage: hopscope replay FILE [options]

Plays a recording made by hopscope record, gzip-compressed or not. Needs neither
root nor BPF. Without an option it prints the flows of the recording.

  --flows              flows at their end (the default)
  --paths              one block per packet, as hopscope trace
  --serve              a dashboard that shows it at the pace it was recorded,
                       again and again
${LISTEN_HELP}  --json               JSON Lines instead of text
  --duration TIME      stop by itself after TIME: 10s, 500ms, 5m, 1h
  -f, --filter EXPR    only what matches EXPR, in pcap-filter(7) syntax, on any
                       device or inside any tunnel
  --sample 1/N         of the packets that --paths prints, one in N
  --memory SIZE        resident memory of all its processes: 512M (the default), 1G
  -h, --help           this text
`;

export async function runReplay(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    ...COMMON_OPTIONS,
    ...LISTEN_OPTIONS,
    flows: { type: 'boolean' },
    paths: { type: 'boolean' },
    serve: { type: 'boolean' },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const file = positionals[0];
  if (file === undefined || positionals.length > 1) {
    throw new UsageError('REPLAY_USAGE', 'replay takes one FILE; see hopscope replay --help');
  }
  const options = commonOptions(values);
  const listen = listenOptions(values);
  boundUnusedMemory(options.memory.slack);
  if (options.netns !== null) {
    throw new UsageError(
      'REPLAY_NETNS',
      'a recording has the namespaces it was made with: give --netns to hopscope record',
    );
  }
  const recording = Recording.read(file);
  if (!recording.finished) {
    warn(`${file} was cut off while it was recorded; its counts of losses are missing`);
  }
  if (values.serve === true) {
    const stop = stopRequest();
    const source = new ReplaySource(recording, { paced: true, loop: true });
    const dashboard = await startDashboard({
      source,
      options,
      mode: 'replay',
      limited: recording.header.limited ?? false,
      description: `a recording, played again and again: ${file}`,
      ...listen,
    });
    process.stderr.write(`hopscope: dashboard on ${dashboard.server.url}\nready\n`);
    await untilStopped(stop, options.durationMs);
    await dashboard.stop();
    return 0;
  }
  const source = new ReplaySource(recording, { paced: false });
  const output = new LineOutput();
  const colour = process.stdout.isTTY === true;
  const showFlow = (flow: Flow, state?: string): void => {
    const record = pipeline.flowRecord(flow, state);
    output.line(options.json ? jsonLine(record) : flowText(record, colour));
  };
  const pipeline = new Pipeline(source, {
    filter: options.filter,
    limited: recording.header.limited ?? false,
    memory: options.memory,
    sampleOneIn: oneInOf(options.sampling),
    ...(values.paths === true
      ? {
          onPath: (finished) => {
            const record = pipeline.pathRecord(finished);
            output.line(options.json ? jsonLine(record) : pathText(record, colour));
          },
        }
      : {}),
    ...(values.paths === true && values.flows !== true ? {} : { onFlowEnd: showFlow }),
  });
  await pipeline.start();
  await source.finished;
  if (values.paths !== true || values.flows === true) {
    for (const flow of pipeline.flows.changedSince(0)) {
      showFlow(flow);
    }
  }
  await output.flush();
  reportLosses(pipeline, output);
  return 0;
}
