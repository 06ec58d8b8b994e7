import { painter } from '../../export/colour.js';
import { simulationRecord, simulationText } from '../../export/explanation.js';
import { jsonLine } from '../../export/printable.js';
import { UsageError } from '../../model/errors.js';
import { protocolNumber } from '../../network/firewall.js';
import { Machine } from '../../network/machine.js';
import { type Address, familyOf, parseAddress } from '../../rules/address.js';
import { parseRules, type RuleSet } from '../../rules/rule-set.js';
import { firstPacket, simulate } from '../../rules/simulate.js';
import { readMachine } from '../../source/machine-reader.js';
import { readRulesOf } from '../../source/rules-reader.js';
import { EXIT } from '../exit-status.js';
import { LineOutput } from '../output.js';

export interface SimulateOptions {
  readonly netns?: readonly string[];
  readonly in?: string;
  readonly src?: string;
  readonly dst?: string;
  readonly proto?: string;
  readonly mark?: string;
  readonly json?: boolean;
}

/** What would happen to a packet. Errors: UsageError `EXPLAIN_USAGE`, `BAD_ENDPOINT`, `NO_DEVICE`. */
export async function runSimulate(options: SimulateOptions): Promise<number> {
  const [netns, ...others] = options.netns ?? [];
  if (netns === undefined || others.length > 0) {
    throw new UsageError('EXPLAIN_USAGE', '--simulate takes one --netns; host is this one');
  }
  const protocol = protocolNumber(options.proto ?? 'tcp');
  if (protocol < 0 || protocol > 255) {
    throw new UsageError('EXPLAIN_USAGE', `not a protocol: ${options.proto}`);
  }
  const src = endpointOf(options.src, '--src');
  const dst = endpointOf(options.dst, '--dst');
  if (familyOf(src.address) !== familyOf(dst.address)) {
    throw new UsageError('BAD_ENDPOINT', '--src and --dst are of different IP versions');
  }
  const mark = Number(options.mark ?? 0);
  if (!Number.isInteger(mark) || mark < 0 || mark > 0xffffffff) {
    throw new UsageError('EXPLAIN_USAGE', `not a mark: ${options.mark}`);
  }
  const namespace = new Machine(await readMachine([netns])).namespaces[0];
  if (namespace === undefined) {
    throw new UsageError('NETNS_NOT_FOUND', `there is no network namespace ${netns}`);
  }
  if (
    options.in !== undefined &&
    !namespace.description.links.some(({ name }) => name === options.in)
  ) {
    throw new UsageError('NO_DEVICE', `${netns} has no device ${options.in}`);
  }
  const ends = { src: src.address, dst: dst.address, sport: src.port, dport: dst.port };
  const packet = firstPacket(ends, protocol, options.in ?? '', mark);
  const rules = understood(await readRulesOf(namespace.description));
  const record = simulationRecord(
    netns,
    packet,
    simulate(rules, namespace, packet),
    rules.problems,
  );
  const output = new LineOutput();
  output.line(
    options.json === true
      ? jsonLine(record)
      : simulationText(record, painter(process.stdout.isTTY)),
  );
  await output.flush();
  return EXIT.done;
}

function understood(read: Parameters<typeof parseRules>[0]): RuleSet {
  const parsing = parseRules(read);
  for (;;) {
    const step = parsing.next();
    if (step.done === true) return step.value;
  }
}

/** `10.0.0.1:80`, `[fd00::1]:80`, or an address alone. */
export function endpointOf(
  text: string | undefined,
  option: string,
): { readonly address: Address; readonly port: number | null } {
  const found = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$|^([^[\]]+)$/u.exec(text ?? '');
  const address = parseAddress(found?.[1] ?? found?.[2] ?? found?.[4] ?? '');
  const port = found?.[3] === undefined ? null : Number(found[3]);
  if (address === null || (port ?? 0) > 65_535) {
    throw new UsageError('BAD_ENDPOINT', `${option} is no address with a port: ${text ?? ''}`);
  }
  return { address, port };
}
