import { flowText } from '../../export/flow-text.js';
import { pathText } from '../../export/path-text.js';
import { jsonLine } from '../../export/printable.js';
import type { Flow } from '../../flow/flow.js';
import { log } from '../../logger.js';
import { UsageError } from '../../model/errors.js';
import { Pipeline } from '../../pipeline.js';
import { Recording } from '../../source/recording.js';
import { ReplaySource } from '../../source/replay-source.js';
import { REPLAY } from '../command-options.js';
import { startDashboard } from '../dashboard.js';
import { accessOptions, listenOptions } from '../listen.js';
import { reportLosses } from '../losses.js';
import { nameFilter } from '../name-filter.js';
import { NAME_OPTIONS } from '../name-options.js';
import { announceDashboard, announceReady, stopRequest, untilStopped } from '../observe.js';
import { optionHelp } from '../option.js';
import { commonOptions, oneInOf } from '../options.js';
import { LineOutput } from '../output.js';
import { readOptions } from '../read-options.js';
import { boundUnusedMemory } from '../unused-memory.js';

const HELP = `Usage: hopscope replay FILE [options]

Plays a recording made by hopscope record, gzip-compressed or not. Needs neither
root nor BPF. Without an option it prints the flows of the recording.

${optionHelp(REPLAY.options)}`;

export async function runReplay(args: string[]): Promise<number> {
  const parsed = await readOptions(args, REPLAY, HELP);
  if (parsed === null) return 0;
  const { values, positionals } = parsed;
  const file = positionals[0];
  if (file === undefined || positionals.length > 1) {
    throw new UsageError('REPLAY_USAGE', 'replay takes one FILE; see hopscope replay --help');
  }
  const options = commonOptions(values);
  const listen = { ...listenOptions(values), ...accessOptions(values) };
  boundUnusedMemory(options.memory.slack);
  if (options.netns !== null) {
    throw new UsageError(
      'REPLAY_NETNS',
      'a recording has the namespaces it was made with: give --netns to hopscope record',
    );
  }
  if (Object.keys(NAME_OPTIONS).some((name) => name in values)) {
    throw new UsageError(
      'REPLAY_NAMES',
      'a recording has the names it was made with: give --names and the like to hopscope record',
    );
  }
  const recording = Recording.read(file);
  if (!recording.finished) {
    log.warn(
      'recording-cut-off',
      `${file} was cut off while it was recorded; its counts of losses are missing`,
      { fields: { file } },
    );
  }
  if (values.serve === true) {
    const { signal: stop } = stopRequest();
    const source = new ReplaySource(recording, { paced: true, loop: true });
    const dashboard = await startDashboard({
      source,
      options,
      mode: 'replay',
      namespaceFiltered: recording.header.namespaceFiltered ?? false,
      description: `a recording, played again and again: ${file}`,
      ...listen,
    });
    announceDashboard(dashboard.server.url);
    announceReady();
    await untilStopped(stop, options.durationMs);
    await dashboard.stop();
    return 0;
  }
  const source = new ReplaySource(recording, { paced: false });
  const names = values['filter-names'];
  const isWanted = nameFilter(names);
  const output = new LineOutput();
  const colour = process.stdout.isTTY === true;
  const showFlow = (flow: Flow, state?: string): void => {
    const record = pipeline.flowRecord(flow, { state });
    if (!isWanted(record)) return;
    output.line(options.json ? jsonLine(record) : flowText(record, colour));
  };
  const pipeline = new Pipeline(source, {
    filter: options.filter,
    namespaceFiltered: recording.header.namespaceFiltered ?? false,
    memory: options.memory,
    sampleOneIn: oneInOf(options.sampling),
    ...(values.paths === true
      ? {
          onPath: (finished) => {
            const { flow } = finished;
            if (names !== undefined && (flow === null || !isWanted(pipeline.flowRecord(flow))))
              return;
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
