import type { FlowRecord } from 'hopscope-protocol';
import { painter, verdictColour } from './colour.js';
import { durationText } from './duration-text.js';
import { chainText } from './flow-chain.js';
import { endpointText } from './path-text.js';
import { printable, printableRecord } from './printable.js';

/** A flow for a person, on one line; `chain` as flowChain gives it. */
export function flowText(
  record: FlowRecord,
  colour: boolean,
  chain: readonly FlowRecord[] = [record],
): string {
  const paint = painter(colour);
  const flow = printableRecord(record);
  const { original, nat } = flow;
  const name = (label: string | null): string => (label === null ? '' : ` (${label})`);
  const time = new Date(Number(BigInt(flow.last) / 1_000_000n)).toISOString().slice(11, 23);
  const source = `${endpointText(original.src, original.sport)}${name(flow.src.name)}`;
  const service = flow.service === null ? '' : ` (${flow.service})`;
  const target = `${endpointText(original.dst, original.dport)}${nat.dnat === null ? name(flow.dst.name) : service}`;
  const translated = [
    nat.dnat === null
      ? ''
      : ` ⇒ ${endpointText(nat.dnat.dst, nat.dnat.dport)}${name(flow.dst.name)}`,
    nat.snat === null ? '' : ` as ${endpointText(nat.snat.src, nat.snat.sport)}`,
  ].join('');
  const tunnels = [...new Set(flow.encapsulation.map((e) => `${e.type}+${e.overhead}`))].join(',');
  const latency = flow.latencyNs?.original ?? null;
  const through = chainText(record, chain);
  const drops = Object.entries(flow.drops.reasons).map(([reason, count]) => `${count}×${reason}`);
  return [
    time,
    paint('bold', `${original.proto} ${source} → ${target}${translated}`),
    flow.state,
    paint(verdictColour(flow.verdict), flow.verdict),
    `${flow.packets.original}/${flow.packets.reply} packets`,
    `${flow.bytes.original}/${flow.bytes.reply} bytes`,
    ...(latency === null
      ? []
      : [`p50 ${durationText(latency.p50)} p99 ${durationText(latency.p99)}`]),
    ...(tunnels === '' ? [] : [paint('cyan', tunnels)]),
    ...(through === null ? [] : [paint('cyan', `chain ${printable(through)}`)]),
    ...(drops.length === 0 ? [] : [paint('red', `drops ${drops.join(' ')}`)]),
    ...(flow.lost === '0' ? [] : [paint('yellow', `lost ${flow.lost}`)]),
  ].join('  ');
}
