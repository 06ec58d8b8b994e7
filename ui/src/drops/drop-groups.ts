import { destinationLabel, type FlowRow, sourceLabel } from 'hopscope-protocol';

export interface DropGroup {
  readonly name: string;
  /** The filter that leaves its flows. */
  readonly filter: string;
  readonly packets: bigint;
  readonly flows: number;
}

type Key = (row: FlowRow) => readonly (readonly [name: string, filter: string])[];

function quoted(value: string): string {
  return /[\s"()]/.test(value) ? `"${value.replaceAll('"', '')}"` : value;
}

const KEYS = {
  reason: (row) =>
    row.dropReason === null ? [] : [[row.dropReason, `reason:${quoted(row.dropReason)}`]],
  source: (row) => [[sourceLabel(row), `src:${quoted(row.srcName ?? row.src.address)}`]],
  destination: (row) => [[destinationLabel(row), `dst:${quoted(row.service ?? row.dst.address)}`]],
  node: (row) =>
    [...new Set([row.srcNode, row.dstNode])].flatMap((node) =>
      node === null ? [] : [[node, `node:${quoted(node)}`] as const],
    ),
} as const satisfies Readonly<Record<string, Key>>;

export type DropKey = keyof typeof KEYS;

/** Flows that lost packets to drops, the most first; copies of what had arrived are no loss. */
export function lossyRows(rows: Iterable<FlowRow>): FlowRow[] {
  return [...rows]
    .filter(({ drops }) => drops !== '0')
    .sort((a, b) => Number(BigInt(b.drops) - BigInt(a.drops)) || (a.id < b.id ? -1 : 1));
}

/** Dropped packets by what their flows have in common, the most first. */
export function dropGroups(rows: readonly FlowRow[], by: DropKey): DropGroup[] {
  const key: Key = KEYS[by];
  const found = new Map<string, { filter: string; packets: bigint; flows: number }>();
  for (const row of rows) {
    for (const [name, filter] of key(row)) {
      const group = found.get(name) ?? { filter, packets: 0n, flows: 0 };
      group.packets += BigInt(row.drops);
      group.flows += 1;
      found.set(name, group);
    }
  }
  return [...found]
    .map(([name, group]) => ({ name, ...group }))
    .sort((a, b) => Number(b.packets - a.packets) || (a.name < b.name ? -1 : 1));
}
