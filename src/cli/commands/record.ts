import { UsageError } from '../../model/errors.js';
import { Pipeline } from '../../pipeline.js';
import { beginRecording, endRecording } from '../../source/kernel-recording.js';
import { RECORDING_LIMIT } from '../../source/recording-format.js';
import {
  announceReady,
  kernelSource,
  stopRequest,
  untilStopped,
  warnOfSampling,
} from '../observe.js';
import { COMMON_HELP, COMMON_OPTIONS, commonOptions, parse } from '../options.js';
import { warn } from '../warn.js';

const LARGEST = `${RECORDING_LIMIT / 2 ** 30} GiB`;

const HELP = `Usage: hopscope record FILE [options]

Saves what the kernel gives, unjoined and complete, to FILE; see hopscope replay.
A filter does not make the file smaller: it holds everything that was seen. It
ends by itself at ${LARGEST}, which is what replay takes.

${COMMON_HELP}`;

const PROGRESS_MS = 1_000;

export async function runRecord(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, COMMON_OPTIONS);
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const file = positionals[0];
  if (file === undefined || positionals.length > 1) {
    throw new UsageError('RECORD_USAGE', 'record takes one FILE; see hopscope record --help');
  }
  const options = commonOptions(values);
  const stop = stopRequest();
  const source = kernelSource(options, { ...warnOfSampling(options), filter: null });
  const writer = beginRecording(source, file, options.netns !== null);
  const full = new AbortController();
  writer.onFailure = () => full.abort();
  writer.onFull = () => {
    warn(`${file} is as large as hopscope replay takes, ${LARGEST}: recording ends`);
    full.abort();
  };
  const pipeline = new Pipeline(source, { tap: writer, memory: options.memory });
  await pipeline.start();
  announceReady(source);
  const progress = setInterval(() => {
    const { hops, paths } = pipeline.joiner.counters;
    warn(
      `${hops} hops, ${paths} packets, ${pipeline.flows.size} flows, ${(writer.bytes / 1e6).toFixed(1)} MB`,
    );
  }, PROGRESS_MS);
  await untilStopped(AbortSignal.any([stop, full.signal]), options.durationMs);
  clearInterval(progress);
  await pipeline.stop();
  endRecording(source, writer);
  warn(`${pipeline.joiner.counters.hops} hops in ${file}, ${source.lost()} lost`);
  return 0;
}
