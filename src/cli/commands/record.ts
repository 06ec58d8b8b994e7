import { log } from '../../logger.js';
import { UsageError } from '../../model/errors.js';
import { Pipeline } from '../../pipeline.js';
import { beginRecording, endRecording } from '../../source/kernel-recording.js';
import { RECORDING_LIMIT } from '../../source/recording-format.js';
import { RECORD } from '../command-options.js';
import { Joiner } from '../joiner.js';
import { announceReady, observedSource, untilStopped, warnOfSampling } from '../observe.js';
import { commonHelp } from '../option.js';
import { commonOptions } from '../options.js';
import { readOptions } from '../read-options.js';

const LARGEST = `${RECORDING_LIMIT / 2 ** 30} GiB`;

const HELP = `Usage: hopscope record FILE [options]

Saves what the kernel gives, unjoined and complete, to FILE; see hopscope replay.
A filter does not make the file smaller: it holds everything that was seen. It
ends by itself at ${LARGEST}, which is what replay takes.

${commonHelp(RECORD.options)}`;

const PROGRESS_MS = 1_000;

export async function runRecord(args: string[]): Promise<number> {
  const parsed = await readOptions(args, RECORD, HELP);
  if (parsed === null) return 0;
  const { values, positionals } = parsed;
  const file = positionals[0];
  if (file === undefined || positionals.length > 1) {
    throw new UsageError('RECORD_USAGE', 'record takes one FILE; see hopscope record --help');
  }
  const options = commonOptions(values);
  const { stop } = Joiner.own;
  const source = observedSource(options, { ...warnOfSampling(options), filter: null });
  const writer = beginRecording(source, file, options.netns !== null);
  const full = new AbortController();
  writer.onFailure = () => full.abort();
  writer.onFull = () => {
    log.warn(
      'recording-full',
      `${file} is as large as hopscope replay takes, ${LARGEST}: recording ends`,
      { fields: { file } },
    );
    full.abort();
  };
  const pipeline = new Pipeline(source, { tap: writer, memory: options.memory });
  await pipeline.start();
  announceReady(source);
  const progress = setInterval(() => {
    const { hops, paths } = pipeline.joiner.counters;
    const flows = pipeline.flows.size;
    const { bytes } = writer;
    log.info(
      'recording',
      `${hops} hops, ${paths} packets, ${flows} flows, ${(bytes / 1e6).toFixed(1)} MB`,
      { fields: { hops, packets: paths, flows, bytes } },
    );
  }, PROGRESS_MS);
  await untilStopped(AbortSignal.any([stop, full.signal]), options.durationMs);
  clearInterval(progress);
  await pipeline.stop();
  endRecording(source, writer);
  const { hops } = pipeline.joiner.counters;
  const lost = String(source.lost());
  log.info('recorded', `${hops} hops in ${file}, ${lost} lost`, { fields: { file, hops, lost } });
  return 0;
}
