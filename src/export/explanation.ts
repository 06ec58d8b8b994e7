import type { PathRecord, RuleRecord, TupleRecord } from 'hopscope-protocol';
import { addressText } from '../network/ip-address.js';
import { protocolName } from '../packet/proto.js';
import type { Packet } from '../rules/packet.js';
import type { SimulatedEnd, Simulation } from '../rules/simulate.js';
import { type Paint, verdictColour } from './colour.js';
import { tupleText } from './path-text.js';
import { printableRecord } from './printable.js';

/** What would happen to a packet. */
export interface SimulationRecord {
  readonly type: 'explanation';
  readonly simulated: true;
  readonly netns: string;
  /** Device that it comes in by; `null` for what a process of the namespace sends. */
  readonly in: string | null;
  readonly tuple: TupleRecord;
  /** Each end that it may come to; more than one where chance decides. */
  readonly ends: readonly {
    readonly verdict: SimulatedEnd['verdict'];
    readonly problem: string | null;
    readonly out: string | null;
    readonly tuple: TupleRecord;
    readonly mark: string;
    readonly steps: SimulatedEnd['steps'];
  }[];
  /** Whether there are more ends than are listed. */
  readonly cut: boolean;
  /** What of the rules was not read or not understood, each with a code that stays. */
  readonly problems: readonly { readonly code: string; readonly message: string }[];
}

export function simulationRecord(
  netns: string,
  packet: Packet,
  { ends, isCut }: Simulation,
  problems: SimulationRecord['problems'],
): SimulationRecord {
  return {
    ...{ type: 'explanation', simulated: true, netns },
    in: packet.incoming === '' ? null : packet.incoming,
    tuple: tupleRecord(packet),
    ends: ends.map((end) => ({
      verdict: end.verdict,
      problem: end.problem,
      out: end.outgoing === '' ? null : end.outgoing,
      tuple: tupleRecord(end.packet),
      mark: `0x${end.packet.mark.toString(16)}`,
      steps: end.steps,
    })),
    cut: isCut,
    problems,
  };
}

function tupleRecord({ family, protocol, src, dst, sport, dport }: Packet): TupleRecord {
  const text = (value: number | bigint): string => addressText({ family, value: BigInt(value) });
  return { proto: protocolName(protocol), src: text(src), dst: text(dst), sport, dport };
}

/** The same for a person: a block for each end. */
export function simulationText(record: SimulationRecord, paint: Paint): string {
  const { netns, in: device, tuple, ends, cut } = printableRecord(record);
  const from = device === null ? 'sent by a process' : `in by ${device}`;
  const head = `simulated: ${tuple.proto} ${tupleText(tuple)} in ${netns}, ${from}`;
  const blocks = ends.map(({ verdict, problem, out, tuple: end, steps }, index) => {
    const which = ends.length === 1 ? '' : `end ${index + 1} of ${ends.length}: `;
    const why = problem === null ? '' : ` (${problem})`;
    const where = out === null ? '' : ` by ${out}`;
    return [
      `  ${which}${paint(verdictColour(verdict), verdict)}${where}: ${tupleText(end)}${why}`,
      ...steps.flatMap(({ hook, rules }) => rulesText(hook, rules, paint)),
    ].join('\n');
  });
  return [paint('bold', head), ...blocks, ...(cut ? ['  more ends are left out'] : [])].join('\n');
}

/** Of the hook: a line for each table, then one for each rule, as deep as its chain was jumped to. */
export function rulesText(hook: string, rules: readonly RuleRecord[], paint: Paint): string[] {
  const lines: string[] = [];
  let table = '';
  let within: string[] = [];
  for (const rule of rules) {
    const where = `${hook} ${rule.family === 'ipv6' ? 'ip6 ' : ''}${rule.table}`;
    if (where !== table) {
      lines.push(
        `    ${paint('cyan', where)}${rule.backend === 'route' ? '' : ` (${rule.backend})`}`,
      );
      table = where;
      within = [];
    }
    const known = within.indexOf(rule.chain);
    within = known < 0 ? [...within, rule.chain] : within.slice(0, known + 1);
    lines.push(`      ${'  '.repeat(Math.min(within.length - 1, 8))}${ruleText(rule, paint)}`);
  }
  return lines;
}

function ruleText(rule: RuleRecord, paint: Paint): string {
  const { chain, position, verdict, certainty, of, source } = rule;
  const at = position === null ? chain : `${chain} ${position}`;
  const sure = certainty === 'one-of' ? `one of ${of}` : certainty;
  const isDrop = /^(?:drop|reject|policy DROP|blackhole)/u.test(verdict);
  const words = isDrop ? paint('red', verdict) : verdict;
  const what = rule.backend === 'route' ? `${rule.rule} → ${words}` : `${at}: ${words}`;
  const means = source === null ? '' : ` — ${source.text}`;
  return `${what}${means} ${paint('dim', `[${sure}]`)}`;
}

/** What rules a flow met, by the first packet of it that went this way. */
export interface ExplanationRecord {
  readonly type: 'explanation';
  readonly simulated: false;
  readonly flow: string | null;
  readonly direction: PathRecord['direction'] | null;
  readonly path: string;
  readonly start: string;
  readonly tuple: TupleRecord | null;
  readonly verdict: PathRecord['verdict'];
  readonly drop: PathRecord['drop'];
  readonly steps: readonly {
    readonly node: string | null;
    readonly netns: string;
    readonly hook: string;
    readonly rules: readonly RuleRecord[] | null;
  }[];
}

export function explanationRecord(path: PathRecord): ExplanationRecord {
  return {
    ...{ type: 'explanation', simulated: false, flow: path.flow, path: path.id },
    ...{ direction: path.direction ?? null, start: path.start, verdict: path.verdict },
    ...{ tuple: path.hops[0]?.tuple ?? null, drop: path.drop },
    steps: path.hops.flatMap(({ node, netns, hook, rules }) =>
      hook === null || rules?.length === 0 ? [] : [{ node, netns, hook, rules: rules ?? null }],
    ),
  };
}

/** The rules of a path, hop by hop, under a line that says whose they are. */
export function explainedText(record: PathRecord, paint: Paint): string {
  const path = printableRecord(record);
  const tuple = path.hops[0]?.tuple ?? null;
  const what = tuple === null ? '?' : `${tuple.proto} ${tupleText(tuple)}`;
  const lines = [`${paint('bold', what)} ${paint(verdictColour(path.verdict), path.verdict)}`];
  let netns = '';
  for (const hop of path.hops) {
    if (hop.rules == null || hop.rules.length === 0) continue;
    if (hop.netns !== netns) lines.push(`  ${hop.netns}`);
    netns = hop.netns;
    lines.push(...rulesText(hop.hook ?? hop.stage, hop.rules, paint));
  }
  return lines.join('\n');
}
