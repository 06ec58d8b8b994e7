import { GROUPINGS, type Group, type Grouping } from 'hopscope-protocol';
import { formatBytes, formatCount, formatDuration } from '../format/quantity.js';

export const GROUPING_LABELS: Readonly<Record<Grouping, string>> = {
  'source-service': 'Source and service',
  'source-destination': 'Source and destination',
  service: 'Service',
  workload: 'Workload',
  namespace: 'Namespace',
  'node-pair': 'Pair of nodes',
  reason: 'Drop reason',
  encapsulation: 'Encapsulation',
  verdict: 'Verdict',
};

export function groupingOf(text: string): Grouping {
  return GROUPINGS.find((one) => one === text) ?? 'source-service';
}

export interface GroupColumn {
  readonly id: string;
  readonly label: string;
  readonly help: string;
  /** What it is ordered by, large first; null sorts last. */
  readonly key: (group: Group) => number | null;
  readonly text: (group: Group) => string;
  readonly title?: (group: Group) => string;
}

function failedShare({ failed, flows }: Group): number {
  return flows === 0 ? 0 : failed / flows;
}

export const GROUP_COLUMNS: readonly GroupColumn[] = [
  {
    id: 'flows',
    label: 'Flows',
    help: 'Connections, those that have ended among them',
    key: ({ flows }) => flows,
    text: ({ flows }) => formatCount(flows),
    title: ({ flows, ended }) => `${flows - ended} go on, ${ended} have ended`,
  },
  {
    id: 'rate',
    label: 'Conn/s',
    help: 'Connections begun in the last 10 s, per second',
    key: ({ connectionsPerSecond }) => connectionsPerSecond,
    text: ({ connectionsPerSecond }) => formatCount(connectionsPerSecond),
  },
  {
    id: 'failed',
    label: 'Failed',
    help: 'Share of connections that were dropped or got no answer',
    key: failedShare,
    text: (group) => `${(failedShare(group) * 100).toFixed(failedShare(group) > 0.1 ? 0 : 1)} %`,
    title: ({ failed, flows }) => `${failed} of ${flows}`,
  },
  {
    id: 'packets',
    label: 'Packets',
    help: 'Packets of both directions',
    key: ({ packets }) => packets,
    text: ({ packets }) => formatCount(packets),
  },
  {
    id: 'bytes',
    label: 'Bytes',
    help: 'IP bytes of both directions',
    key: ({ bytes }) => bytes,
    text: ({ bytes }) => formatBytes(bytes),
  },
  {
    id: 'p50',
    label: 'p50',
    help: 'Half of all its packets took less, from first to last hop',
    key: ({ p50 }) => p50,
    text: ({ p50 }) => formatDuration(p50),
    title: ({ measured }) => `of ${measured} packets`,
  },
  {
    id: 'p99',
    label: 'p99',
    help: '99 of 100 of all its packets took less, from first to last hop',
    key: ({ p99 }) => p99,
    text: ({ p99 }) => formatDuration(p99),
    title: ({ measured }) => `of ${measured} packets`,
  },
];

export function inOrder(groups: readonly Group[], column: string): Group[] {
  const key = GROUP_COLUMNS.find(({ id }) => id === column)?.key ?? (({ bytes }) => bytes);
  const of = (group: Group): number => key(group) ?? -1;
  return [...groups].sort(
    (a, b) => of(b) - of(a) || ((a.key?.label ?? '') < (b.key?.label ?? '') ? -1 : 1),
  );
}
