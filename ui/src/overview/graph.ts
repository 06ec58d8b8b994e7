import type { Group } from 'hopscope-protocol';

/** Nodes of one side of the graph that are drawn; the rest is one node. */
export const SIDE_LIMIT = 14;

export interface GraphNode {
  readonly name: string;
  /** How many it stands for. */
  readonly size: number;
  readonly side: 0 | 1;
  readonly y: number;
}

export interface GraphEdge {
  readonly from: GraphNode;
  readonly to: GraphNode;
  readonly bytes: number;
  readonly flows: number;
  readonly failed: number;
  /** Of the group with most packets behind it; null where none was measured. */
  readonly p99: number | null;
  readonly filter: string | null;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  readonly height: number;
}

const ROW = 30;

function ends({ key }: Group): readonly [string, string] | null {
  const [from, to] = (key?.label ?? '').split(' → ');
  return from === undefined || to === undefined ? null : [from, to];
}

/** Names by how much they carry; those past the limit are one, last. */
function side(totals: ReadonlyMap<string, number>, at: 0 | 1): Map<string, GraphNode> {
  const names = [...totals]
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .map(([name]) => name);
  const kept = names.length <= SIDE_LIMIT ? names : names.slice(0, SIDE_LIMIT - 1);
  // By name, so that each is where it was when the rates change.
  const shown = [...kept].sort();
  const nodes = new Map<string, GraphNode>();
  for (const [index, name] of shown.entries()) {
    nodes.set(name, { name, size: 1, side: at, y: ROW / 2 + index * ROW });
  }
  const rest = names.slice(kept.length);
  if (rest.length > 0) {
    const node = {
      name: `${rest.length} more`,
      size: rest.length,
      side: at,
      y: ROW / 2 + shown.length * ROW,
    };
    for (const name of rest) nodes.set(name, node);
  }
  return nodes;
}

/** Who talks to whom, in two columns: laid out the same way each time, and collapsed where many. */
export function graphOf(groups: readonly Group[]): Graph {
  const totals = [new Map<string, number>(), new Map<string, number>()] as const;
  for (const group of groups) {
    const pair = ends(group);
    if (pair === null) continue;
    for (const at of [0, 1] as const) {
      totals[at].set(pair[at], (totals[at].get(pair[at]) ?? 0) + group.bytes);
    }
  }
  const sides = [side(totals[0], 0), side(totals[1], 1)] as const;
  const edges = new Map<string, GraphEdge & { measured: number }>();
  for (const group of groups) {
    const pair = ends(group);
    const from = pair === null ? undefined : sides[0].get(pair[0]);
    const to = pair === null ? undefined : sides[1].get(pair[1]);
    if (from === undefined || to === undefined) continue;
    const name = `${from.name}\n${to.name}`;
    const before = edges.get(name);
    const isOne = from.size === 1 && to.size === 1;
    edges.set(name, {
      from,
      to,
      bytes: (before?.bytes ?? 0) + group.bytes,
      flows: (before?.flows ?? 0) + group.flows,
      failed: (before?.failed ?? 0) + group.failed,
      p99: (before?.measured ?? -1) >= group.measured ? (before?.p99 ?? null) : group.p99,
      measured: Math.max(before?.measured ?? 0, group.measured),
      filter: isOne ? (group.key?.filter ?? null) : null,
    });
  }
  const nodes = sides.flatMap((one) => [...new Set(one.values())]);
  const most = Math.max(0, ...sides.map((one) => new Set(one.values()).size));
  return { nodes, edges: [...edges.values()], height: most * ROW };
}
