import { pathText } from '../../export/path-text.js';
import { jsonLine } from '../../export/printable.js';
import { Pipeline } from '../../pipeline.js';
import {
  announceReady,
  kernelSource,
  stopRequest,
  untilStopped,
  warnOfSampling,
} from '../observe.js';
import { COMMON_HELP, onlyFilteredOptions } from '../options.js';
import { LineOutput } from '../output.js';
import { warn } from '../warn.js';

const HELP = `Usage: hopscope trace [options] [EXPR]

One block per packet: its hops in order, with the time between them and what
changed at each. With --json one JSON object a line.

  --json               JSON Lines instead of text
${COMMON_HELP}
Examples:
  hopscope trace --duration 10s 'icmp'
  hopscope trace --json -f 'host 10.244.146.205 and tcp port 80' | jq .verdict
`;

export async function runTrace(args: string[]): Promise<number> {
  const options = onlyFilteredOptions(args, HELP);
  if (options === null) {
    return 0;
  }
  const output = new LineOutput();
  const colour = process.stdout.isTTY === true;
  const stop = stopRequest();
  const source = kernelSource(options, warnOfSampling(options));
  const pipeline = new Pipeline(source, {
    filter: options.filter,
    memory: options.memory,
    limited: options.netns !== null,
    onPath: (finished) => {
      const record = pipeline.pathRecord(finished);
      output.line(options.json ? jsonLine(record) : pathText(record, colour));
    },
  });
  await pipeline.start();
  announceReady(source);
  await untilStopped(stop, options.durationMs);
  await pipeline.stop();
  await output.flush();
  reportLosses(pipeline, output);
  return 0;
}

/** Nothing is lost in silence. */
export function reportLosses(pipeline: Pipeline, output: LineOutput): void {
  const quality = pipeline.quality();
  const losses = [
    [quality.lost, 'events lost: the kernel produced faster than they were read'],
    [String(pipeline.joiner.counters.cutByWindow), 'packets seen in part: a window began or ended'],
    [quality.evicted, 'evicted from full tables'],
    [String(output.shed), 'lines left out: the reader was too slow'],
    ...Object.entries(quality.malformed).map(([code, count]) => [count, code]),
  ].filter(([count]) => count !== '0');
  for (const [count, what] of losses) {
    warn(`${count} ${what}`);
  }
}
