import { painter } from '../../export/colour.js';
import { renderCosts } from '../../export/cost-text.js';
import { faultRecord, wayRecord } from '../../export/mtu-record.js';
import { countText, renderFault, renderWays } from '../../export/mtu-text.js';
import { jsonLine, printableRecord } from '../../export/printable.js';
import { log } from '../../logger.js';
import { UsageError } from '../../model/errors.js';
import { audit } from '../../mtu/audit.js';
import { liveReport } from '../../mtu/report.js';
import type { NetworkDescription } from '../../network/description.js';
import { readMachine } from '../../source/machine-reader.js';
import { EXIT } from '../exit-status.js';
import { NAME_OPTIONS, namesGiven, type ParsedNames } from '../name-options.js';
import { optionHelp } from '../option.js';
import { COMMON_OPTIONS, parse } from '../options.js';
import { LineOutput } from '../output.js';
import { setLog } from '../read-options.js';
import { watchFlows } from './mtu-live.js';
import { runProbe } from './mtu-probe.js';

const OPTIONS = {
  json: {
    ...COMMON_OPTIONS.json,
    help: 'JSON Lines: a record for each way, then one for each fault',
  },
  duration: {
    ...COMMON_OPTIONS.duration,
    help: 'watch flows for TIME too: faults that only packets show, the flows that each fault hits, what encapsulation costs',
  },
  probe: {
    type: 'boolean',
    help: 'send packets between SRC and DST, one a second, to find the largest that passes',
    file: null,
  },
  netns: {
    ...COMMON_OPTIONS.netns,
    help: 'read only this network namespace, host for this one; repeatable',
  },
  ...NAME_OPTIONS,
  'log-level': COMMON_OPTIONS['log-level'],
  'log-format': COMMON_OPTIONS['log-format'],
  help: COMMON_OPTIONS.help,
} as const;

const HELP = `Usage: hopscope mtu [options]
       hopscope mtu --probe [options] SRC DST

The largest packet that fits each way from a pod, and what is wrong with MTUs: read
from the devices, routes and rules of every network namespace. Nothing is sent and
nothing is changed. It ends at once; with --duration 10s it looks at packets as well.

With --probe, ICMP echoes with DF set are sent from SRC, one a second at most, to find
the largest packet that passes, and the hop and the device that refuse the next one,
from the trace of the probe itself; then from DST, where that is on this machine too.
SRC and DST are names of pods (NAMESPACE/NAME where two have the same) or of network
namespaces, addresses, or NAME@ADDRESS.

${optionHelp(OPTIONS)}
Exit status: 0 nothing is wrong, or bytes are wasted at most; 1 packets are or will be
lost, or it works by luck or by fragments, or less passes than a way is configured for;
2 bad usage; 3 not permitted (the reason and the remedy are on standard error).
`;

const LEFT_OUT = {
  ways: 'ways from pods',
  tunnelEnds: 'other ends of tunnels',
  findings: 'faults',
} as const;

/** The `mtu` command. Errors: UsageError, UnsupportedError. */
export async function runMtu(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS);
  if (values.help === true) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  setLog(values);
  if (values.probe === true) return runProbe(positionals, values);
  if (positionals.length > 0) {
    throw new UsageError(
      'MTU_USAGE',
      `mtu takes no argument ${positionals[0]}; see hopscope mtu --help`,
    );
  }
  const description = await readMachine(values.netns ?? null);
  for (const { code, netns, message } of description.problems) {
    const text = `${netns}: ${message}`;
    log.warn('not-read', text, { fields: { code, netns }, text: [`hopscope: ${text} [${code}]`] });
  }
  const { ways, findings, leftOut } = audit(description);
  for (const [what, count] of Object.entries(leftOut)) {
    if (count === 0) continue;
    log.warn('left-out', `${count} ${LEFT_OUT[what as keyof typeof leftOut]} past the limit`, {
      fields: { what, count },
    });
  }
  const configured = findings.map(faultRecord);
  const live =
    values.duration === undefined
      ? null
      : liveReport(configured, await watch(values.duration, values), (name) =>
          namespaceOf(description, name),
        );
  const faults = live?.faults ?? configured;
  const output = new LineOutput();
  if (values.json === true) {
    for (const way of ways) output.line(jsonLine(wayRecord(way)));
    for (const fault of faults) output.line(jsonLine(fault));
    for (const cost of live?.costs ?? []) output.line(jsonLine(cost));
  } else {
    const paint = painter(process.stdout.isTTY);
    const lines = [
      ...renderWays(printableRecord(ways.map(wayRecord)), printableRecord(faults), paint),
      ...printableRecord(faults).flatMap((fault) => ['', ...renderFault(fault, paint)]),
      ...blockOf(renderCosts(printableRecord(live?.costs ?? []))),
      '',
      `${description.namespaces.length} network namespaces, ${ways.length} ways: ${countText(faults)}`,
    ];
    for (const line of lines) output.line(line);
  }
  await output.flush();
  return faults.some(({ severity }) => severity !== 'note') ? EXIT.failed : EXIT.done;
}

function watch(duration: string, { netns = [], ...names }: ParsedNames & { netns?: string[] }) {
  // It is checked here, so that a wrong one is no error of another command.
  COMMON_OPTIONS.duration.read(duration);
  return watchFlows(duration, [
    ...namesGiven(names),
    ...netns.flatMap((name) => ['--netns', name]),
  ]);
}

function namespaceOf({ namespaces }: NetworkDescription, name: string) {
  const description = namespaces.find((each) => each.name === name);
  return description === undefined ? null : { description };
}

function blockOf(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', ...lines];
}
