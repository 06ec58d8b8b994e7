import { pathText } from '../../export/path-text.js';
import { jsonLine } from '../../export/printable.js';
import { Pipeline } from '../../pipeline.js';
import { TRACE } from '../command-options.js';
import { HeldPaths } from '../held-paths.js';
import { Joiner } from '../joiner.js';
import { nameFilter } from '../name-filter.js';
import { observedSource, warnOfSampling } from '../observe.js';
import { commonHelp } from '../option.js';
import { filteredOptions } from '../options.js';
import { LineOutput } from '../output.js';
import { showPackets } from '../packet-output.js';
import { readOptions } from '../read-options.js';

const HELP = `Usage: hopscope trace [options] [EXPR]

One block per packet: its hops in order, with the time between them and what
changed at each. With --json one JSON object a line.

${commonHelp(TRACE.options)}
Examples:
  hopscope trace --duration 10s 'icmp'
  hopscope trace --json -f 'host 10.244.146.205 and tcp port 80' | jq .verdict
`;

export async function runTrace(args: string[]): Promise<number> {
  const parsed = await readOptions(args, TRACE, HELP);
  if (parsed === null) return 0;
  const options = filteredOptions(parsed.values, parsed.positionals);
  const names = parsed.values['filter-names'];
  const isWanted = nameFilter(names);
  const output = new LineOutput();
  const colour = process.stdout.isTTY === true;
  const { stop } = Joiner.own;
  const source = observedSource(options, { ...warnOfSampling(options), rules: true });
  const pipeline = new Pipeline(source, {
    filter: options.filter,
    memory: options.memory,
    namespaceFiltered: options.netns !== null,
    passedOn: () => output.passedOn(),
    onPath: (finished) => {
      const { flow } = finished;
      if (names !== undefined && (flow === null || !isWanted(pipeline.flowRecord(flow)))) return;
      held.add(pipeline.toExplain(finished));
    },
  });
  const held = new HeldPaths(pipeline.ruleReading, (record) =>
    output.line(options.json ? jsonLine(record) : pathText(record, colour)),
  );
  const { durationMs } = options;
  await showPackets({ source, pipeline, held, output, stop, durationMs });
  return 0;
}
