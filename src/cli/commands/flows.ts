import { flowChain } from '../../export/flow-chain.js';
import { flowText } from '../../export/flow-text.js';
import { jsonLine } from '../../export/printable.js';
import type { Flow } from '../../flow/flow.js';
import { Pipeline } from '../../pipeline.js';
import { FLOWS } from '../command-options.js';
import { Joiner } from '../joiner.js';
import { reportLosses } from '../losses.js';
import { nameFilter } from '../name-filter.js';
import { announceReady, observedSource, untilStopped } from '../observe.js';
import { commonHelp } from '../option.js';
import { filteredOptions } from '../options.js';
import { LineOutput } from '../output.js';
import { readOptions } from '../read-options.js';

const HELP = `Usage: hopscope flows [options] [EXPR]

Flows as they change: one line each time a connection has new packets, at most
one a second for each. A flow is one connection, both directions, joined across
NAT, tunnels, namespaces and nodes.

${commonHelp(FLOWS.options)}
Examples:
  hopscope flows
  hopscope flows --json --duration 10s 'tcp port 8080'
`;

const REPORT_MS = 1_000;

export async function runFlows(args: string[]): Promise<number> {
  const parsed = await readOptions(args, FLOWS, HELP);
  if (parsed === null) return 0;
  const options = filteredOptions(parsed.values, parsed.positionals);
  const isWanted = nameFilter(parsed.values['filter-names']);
  const output = new LineOutput();
  const colour = process.stdout.isTTY === true;
  const { stop } = Joiner.own;
  const source = observedSource(options);
  const show = (flow: Flow, state?: string): void => {
    const record = pipeline.flowRecord(flow, { state });
    if (!isWanted(record)) return;
    if (options.json) {
      output.line(jsonLine(record));
      return;
    }
    const chain = flowChain(record, (id) => pipeline.flow(id));
    output.line(flowText(record, colour, chain));
  };
  const pipeline = new Pipeline(source, {
    filter: options.filter,
    memory: options.memory,
    namespaceFiltered: options.netns !== null,
    passedOn: () => output.passedOn(),
    onFlowEnd: (flow) => show(flow, flow.state === 'closed' ? 'closed' : 'expired'),
  });
  let cursor = 0;
  const report = (): void => {
    for (const flow of pipeline.flows.changedSince(cursor)) {
      show(flow);
    }
    cursor = pipeline.flows.version;
  };
  await pipeline.start();
  announceReady(source);
  const timer = setInterval(report, REPORT_MS);
  await untilStopped(stop, options.durationMs);
  clearInterval(timer);
  await pipeline.stop();
  report();
  await output.flush();
  reportLosses(pipeline, output);
  return 0;
}
