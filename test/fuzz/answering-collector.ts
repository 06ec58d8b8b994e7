import { PATHS_PER_FLOW, PATHS_PER_MESSAGE } from 'hopscope-protocol';
import type { Collector } from '../../src/serve/collector.js';
import { RowTable } from '../../src/serve/row-table.js';
import { FixtureCollector, rowUpdate } from '../serve/fixture-collector.js';
import { FIXTURE_EPOCH, FixtureFeed, serviceFlow, servicePath } from '../serve/fixture-feed.js';

export const FLOWS = 20;

export function flowId(index: number): string {
  return `000000000000${(0x1000 + index).toString(16)}`;
}

/** A collector that answers at once: a campaign has no time to wait for the next turn. */
export function answeringCollector(): Collector {
  const feed = new FixtureFeed();
  const table = new RowTable();
  for (let i = 0; i < FLOWS; i++) {
    const id = flowId(i);
    const paths = [0, 1, 2].map((n) => servicePath(id, n, 'original', 40_000 + i));
    feed.put(serviceFlow(id, 3, 40_000 + i), ...paths);
  }
  const flows = feed.newestFirst();
  table.apply({
    updates: flows.map(({ flow }) => rowUpdate(flow)),
    removed: [],
    total: FLOWS,
    ended: 0,
    behind: 0,
    reset: true,
    timeMs: 1,
    newestNs: 1,
  });
  return {
    table,
    status: new FixtureCollector(feed).status,
    newest: () => FIXTURE_EPOCH,
    watch: () => undefined,
    onBatch: () => undefined,
    flow: async (id, have) => {
      const recent = feed.recentPaths(id, PATHS_PER_FLOW);
      return {
        flow: feed.flow(id),
        chain: [],
        pathIds: recent.map((path) => path.id),
        paths: recent
          .filter((path) => !have.includes(path.id))
          .slice(0, PATHS_PER_MESSAGE)
          .map((path) => path.record()),
      };
    },
    flows: async (from, limit) => {
      const left = flows.filter(({ at }) => at < (from?.before ?? Number.POSITIVE_INFINITY));
      const part = left.slice(0, limit);
      const last = part.at(-1);
      return {
        records: part.map(({ flow }) => flow),
        next: left.length > part.length && last ? { before: last.at, id: last.flow.id } : null,
        total: FLOWS,
      };
    },
    first: async (_filter, _order, limit) => ({
      ids: flows.slice(0, limit).map(({ flow }) => flow.id),
      ...{ looked: FLOWS, total: FLOWS },
    }),
    records: async (ids) => ids.flatMap((id) => feed.flow(id) ?? []),
    history: async (id) => feed.history(id),
    groups: async () => ({
      groups: { groups: [], other: null, flows: 0, total: 0 },
      isWhole: true,
    }),
    namespaces: async () => feed.namespaces(),
    mtu: async () => feed.mtu(),
  };
}
