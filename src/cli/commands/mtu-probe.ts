import { randomInt } from 'node:crypto';
import { painter } from '../../export/colour.js';
import { jsonLine, printableRecord } from '../../export/printable.js';
import { renderProbe, sentText } from '../../export/probe-text.js';
import { log } from '../../logger.js';
import { UsageError } from '../../model/errors.js';
import type { ProbeRecord } from '../../model/probe-record.js';
import { Machine, type Namespace } from '../../network/machine.js';
import { findProbeEnds, type LocalEnd, type ProbeEnd } from '../../probe/probe-ends.js';
import { ProbeTrace } from '../../probe/probe-trace.js';
import { Prober } from '../../probe/prober.js';
import { CatalogReader } from '../../source/catalog-reader.js';
import { readMachine } from '../../source/machine-reader.js';
import { NamespaceWatcher } from '../../source/namespace-watcher.js';
import { EXIT } from '../exit-status.js';
import { nameOptions, namesGiven, type ParsedNames } from '../name-options.js';
import { nameProviders } from '../name-providers.js';
import { stopRequest } from '../observe.js';
import { LineOutput } from '../output.js';

export interface ProbeOptions extends ParsedNames {
  readonly json?: boolean;
  readonly netns?: readonly string[];
}

/**
 * `hopscope mtu --probe SRC DST`: what passes, found by trying.
 *
 * @throws UsageError as findProbeEnds, `MTU_USAGE`; HopscopeError as Prober and ProbeTrace
 */
export async function runProbe(ends: readonly string[], options: ProbeOptions): Promise<number> {
  const [from, to, ...others] = ends;
  if (from === undefined || to === undefined || others.length > 0) {
    throw new UsageError('MTU_USAGE', '--probe takes two ends, SRC and DST: names or addresses');
  }
  if (options.netns !== undefined) {
    throw new UsageError('MTU_USAGE', '--probe follows its packets everywhere: no --netns');
  }
  const machine = new Machine(await readMachine(null));
  const { names, byName } = await readNames(machine, options);
  const { src, dst } = findProbeEnds(machine, names, from, to);
  const stop = stopRequest();
  const identifier = randomInt(1, 0x10000);
  const trace = await ProbeTrace.start(namesGiven(options), identifier);
  try {
    const prober = new Prober({
      ...{ machine, byName, trace, identifier, stop: stop.signal },
      onProbe: (probe) => log.info('probe', sentText(probe), { fields: { ...probe } }),
    });
    const records = [await prober.run(src, dst)];
    if (isLocal(dst) && dst.namespace !== src.namespace) records.push(await prober.run(dst, src));
    await show(records, options.json === true);
    return records.every(isAsConfigured) ? EXIT.done : EXIT.failed;
  } finally {
    stop.end();
    await trace.stop();
  }
}

function isLocal(end: ProbeEnd): end is LocalEnd {
  return end.namespace !== null;
}

function isAsConfigured({ largest, configured }: ProbeRecord): boolean {
  return configured === null || largest >= configured;
}

async function readNames(machine: Machine, options: ProbeOptions) {
  const reader = new CatalogReader(new Map(), nameProviders(nameOptions(options)));
  try {
    const names = await reader.read(new NamespaceWatcher().scan(true).values());
    const byName = new Map<string, Namespace>();
    for (const { netns, name } of names.namespaces) {
      const namespace = machine.namespace(netns);
      if (namespace !== null) byName.set(name, namespace);
    }
    return { names, byName };
  } finally {
    reader.close();
  }
}

async function show(records: readonly ProbeRecord[], isJson: boolean): Promise<void> {
  const output = new LineOutput();
  const paint = painter(process.stdout.isTTY);
  for (const record of records) {
    const lines = isJson ? [jsonLine(record)] : renderProbe(printableRecord(record), paint);
    for (const line of lines) output.line(line);
  }
  await output.flush();
}
