import type { FlowRecord } from 'hopscope-protocol';

/** Flows of a chain that are listed on either side of the one asked for. */
export const CHAIN_SIDE_LIMIT = 8;

/**
 * The chain through proxies that a flow is part of: the flows it was opened for, the
 * first one first, itself, and the newest that were opened for it. Of those that are not
 * known any more it says nothing.
 */
export function flowChain(
  flow: FlowRecord,
  known: (id: string) => FlowRecord | null,
): readonly FlowRecord[] {
  const before: FlowRecord[] = [];
  for (let at: FlowRecord | null = flow; at !== null && before.length < CHAIN_SIDE_LIMIT; ) {
    at = at.proxied.from === null ? null : known(at.proxied.from);
    if (at !== null) {
      before.unshift(at);
    }
  }
  const after = flow.proxied.to.slice(-CHAIN_SIDE_LIMIT).map(known);
  return [...before, flow, ...after.filter((next) => next !== null)];
}

/** The stations of a flow's chain, by name; `null` when there is no other flow in it. */
export function chainText(flow: FlowRecord, chain: readonly FlowRecord[]): string | null {
  const at = chain.findIndex(({ id }) => id === flow.id);
  const newest = chain.length > at + 1 ? chain.slice(-1) : [];
  const line = [...chain.slice(0, at + 1), ...newest];
  const [first] = line;
  if (first === undefined || line.length === 1) {
    return null;
  }
  const stations = line.map(({ service, dst, nat, original }) => {
    const end = dst.name ?? nat.dnat?.dst ?? original.dst;
    return service === null ? end : `${service} → ${end}`;
  });
  return `${first.src.name ?? first.original.src} → ${stations.join(' ⇢ ')}`;
}
