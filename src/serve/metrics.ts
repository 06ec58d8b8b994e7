import type { QualityRecord } from '../model/feed.js';
import type { ServeCounters } from './serve-counters.js';

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number | string];

/** Text exposition format 0.0.4 of Prometheus. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function renderMetrics(
  quality: QualityRecord,
  counters: ServeCounters,
  clients: number,
): string {
  const byCode = (counts: Iterable<readonly [string, number | string]>): Sample[] =>
    [...counts].map(([code, count]) => [{ code }, count]);
  return [
    counter('events_total', 'Records read from the kernel.', quality.events),
    counter('events_lost_total', 'Records the kernel had no room for.', quality.lost),
    counter('evicted_total', 'Flows and paths dropped before their end.', quality.evicted),
    counter('shed_total', 'Messages not sent to slow readers.', quality.shed),
    counter(
      'malformed_total',
      'Records that could not be decoded.',
      byCode(Object.entries(quality.malformed)),
    ),
    gauge('events_per_second', 'Records read over the last second.', quality.eventsPerSecond),
    gauge('cpu_ratio', 'Share of one core used by the daemon.', quality.cpu),
    gauge('open_paths', 'Packets whose end was not seen yet.', quality.openPaths),
    gauge('flows', 'Flows in the table.', quality.flows),
    gauge('missing_capabilities', 'What kernel or privileges lack.', quality.missing.length),
    gauge('clients', 'Dashboards connected.', clients),
    counter('clients_refused_total', 'Dashboards above the limit.', counters.clientsRefused),
    counter('clients_silent_total', 'Dashboards cut off as silent.', counters.clientsSilent),
    counter('rows_delayed_total', 'Table rows sent a tick late.', counters.rowsDelayed),
    counter('requests_refused_total', 'HTTP requests refused.', byCode(counters.refusedRequests)),
    counter('bad_messages_total', 'Client messages refused.', byCode(counters.badMessages)),
  ].join('');
}

function counter(name: string, help: string, value: number | string | readonly Sample[]): string {
  return metric('counter', name, help, value);
}

function gauge(name: string, help: string, value: number): string {
  return metric('gauge', name, help, value);
}

function metric(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  value: number | string | readonly Sample[],
): string {
  const full = `hopscope_${name}`;
  const samples: readonly Sample[] = typeof value === 'object' ? value : [[{}, value]];
  const lines = samples.map(([labels, sample]) => `${full}${labelText(labels)} ${sample}\n`);
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join('')}`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
