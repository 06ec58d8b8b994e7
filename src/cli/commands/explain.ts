import { painter } from '../../export/colour.js';
import { Shapes } from '../../export/explained-shapes.js';
import { explainedText, explanationRecord } from '../../export/explanation.js';
import { jsonLine } from '../../export/printable.js';
import { UsageError } from '../../model/errors.js';
import { Pipeline } from '../../pipeline.js';
import { EXPLAIN } from '../command-options.js';
import { EXIT } from '../exit-status.js';
import { HeldPaths } from '../held-paths.js';
import { Joiner } from '../joiner.js';
import { observedSource, warnOfSampling } from '../observe.js';
import { optionHelp } from '../option.js';
import { filteredOptions } from '../options.js';
import { LineOutput } from '../output.js';
import { showPackets } from '../packet-output.js';
import { readOptions } from '../read-options.js';
import { runSimulate } from './explain-simulate.js';

const HELP = `Usage: hopscope explain [options] [EXPR]
       hopscope explain --simulate --netns NODE --in DEV --src A:P --dst B:P [--proto P]

Which rules of iptables, nftables and IPVS, and which routes, a flow met: one block a flow,
as it is seen. With --simulate: what would happen to such a packet. Rules are read, and never
changed.

${optionHelp(EXPLAIN.options)}
Each rule is said with how sure it is: seen (the packet shows it), follows (no other way agrees
with what was seen), one of N, unknown.
`;

/** The `explain` command. Errors: UsageError, UnsupportedError. */
export async function runExplain(args: string[]): Promise<number> {
  const parsed = await readOptions(args, EXPLAIN, HELP);
  if (parsed === null) return EXIT.done;
  const { values, positionals } = parsed;
  if (values.simulate === true) return runSimulate(values);
  for (const name of ['in', 'src', 'dst', 'proto', 'mark'] as const) {
    if (values[name] === undefined) continue;
    throw new UsageError('EXPLAIN_USAGE', `--${name} is for --simulate alone`);
  }
  const options = filteredOptions(values, positionals);
  const output = new LineOutput();
  const paint = painter(process.stdout.isTTY === true);
  const { stop } = Joiner.own;
  const source = observedSource(options, { ...warnOfSampling(options), rules: true });
  const shapes = new Shapes();
  const pipeline = new Pipeline(source, {
    filter: options.filter,
    memory: options.memory,
    namespaceFiltered: options.netns !== null,
    onPath: (finished) => held.add(pipeline.toExplain(finished)),
  });
  const held = new HeldPaths(pipeline.ruleReading, (path) => {
    if (!shapes.isNew(path)) return;
    const record = explanationRecord(path);
    output.line(options.json ? jsonLine(record) : explainedText(path, paint));
  });
  const { durationMs } = options;
  await showPackets({ source, pipeline, held, output, stop, durationMs });
  return EXIT.done;
}
