import type { QualityRecord, SamplingRecord } from 'hopscope-protocol';
import type { ChannelCounts } from './channel-messages.js';
import { ROW_HELD_BYTES } from './limits.js';
import type { Load } from './load-meter.js';
import type { ServeCounters } from './serve-counters.js';

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number | string];

/** Text exposition format 0.0.4 of Prometheus. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** What there is to report. */
export interface Figures {
  readonly quality: QualityRecord;
  readonly counters: ServeCounters;
  readonly detailsDelayed: number;
  readonly clients: number;
  /** `null` where no collector of another process has said. */
  readonly channel: ChannelCounts | null;
  readonly loads: Readonly<Record<'collector' | 'server', Load | null>>;
  readonly rows: { readonly held: number; readonly limit: number; readonly evicted: number };
}

export function renderMetrics(figures: Figures): string {
  const { quality, counters, channel, rows, loads } = figures;
  const sampling = quality.sampling ?? null;
  return [
    counter('events_total', 'Hops and other events read from the kernel.', quality.events),
    ...(quality.handed === undefined
      ? []
      : [
          counter('records_total', 'Records of the ring, one a packet.', quality.handed.records),
          counter('record_bytes_total', 'Bytes of these records.', quality.handed.bytes),
        ]),
    counter(
      'lost_total',
      'What was lost, one cause a line.',
      Object.entries(quality.losses).map(([cause, count]) => [{ cause }, count]),
    ),
    ...(quality.filtered === undefined
      ? []
      : [counter('hops_filtered_total', 'Hops the filter left out.', quality.filtered)]),
    counter('events_lost_total', 'Hops and events the kernel had no room for.', quality.lost),
    counter('evicted_total', 'Sum of what bounded tables refused.', quality.evicted),
    counter('messages_skipped_total', 'Messages not sent to slow readers.', quality.skipped),
    counter(
      'malformed_total',
      'Records that could not be decoded.',
      byCode(Object.entries(quality.malformed)),
    ),
    gauge(
      'events_per_second',
      'Hops and other events read over the last second.',
      quality.eventsPerSecond,
    ),
    gauge('cpu_ratio', 'Share of one core used by the collector.', quality.cpu),
    optional('ring_fill_ratio', 'Share of the ring that waits.', quality.ringFill ?? null),
    gauge('open_paths', 'Packets whose end was not seen yet.', quality.openPaths),
    gauge('flows', 'Flows in the table.', quality.flows),
    gauge(
      'names_age_seconds',
      'Time since the names that each provider gives were certain.',
      Object.entries(quality.nameAges ?? {}).flatMap(([provider, age]): Sample[] =>
        age === null ? [] : [[{ provider }, age]],
      ),
    ),
    gauge('missing_capabilities', 'What kernel or privileges lack.', quality.missing.length),
    ...(sampling === null ? [] : samplingMetrics(sampling)),
    ...memoryMetrics(figures),
    ...loadMetrics(loads),
    gauge('clients', 'Dashboards connected.', figures.clients),
    gauge('rows', 'Table rows that the server holds.', rows.held),
    counter('rows_evicted_total', 'Table rows removed to make room.', rows.evicted),
    counter('rows_delayed_total', 'Table rows sent a tick late.', counters.rowsDelayed),
    counter('details_delayed_total', 'Flow details not there in time.', figures.detailsDelayed),
    counter('clients_refused_total', 'Dashboards above the limit.', counters.clientsRefused),
    counter('clients_silent_total', 'Dashboards cut off as silent.', counters.clientsSilent),
    counter('clients_held_back_total', 'Pauses in reading a client.', counters.clientsHeldBack),
    counter('ticks_delayed_total', 'Messages a tick late.', counters.ticksDelayed),
    counter('connections_idle_total', 'Idle connections cut off.', counters.connectionsIdle),
    counter('connections_failed_total', 'Connections not accepted.', counters.connectionsFailed),
    counter('connections_refused_total', 'Connections refused.', counters.connectionsRefused),
    counter(
      'connections_pipelined_total',
      'Connections ended for too many requests at once.',
      counters.connectionsPipelined,
    ),
    counter(
      'connections_unread_total',
      'Connections that did not read.',
      counters.connectionsUnread,
    ),
    counter('pages_cut_total', 'Pages of flows cut by size or time.', counters.pagesCut),
    counter('pages_unread_total', 'Pages of flows nobody read on.', counters.pagesUnread),
    counter('requests_refused_total', 'HTTP requests refused.', byCode(counters.refusedRequests)),
    counter('bad_messages_total', 'Client messages refused.', byCode(counters.badMessages)),
    ...(channel === null ? [] : channelMetrics(channel)),
  ].join('');
}

function byCode(counts: Iterable<readonly [string, number | string]>): Sample[] {
  return [...counts].map(([code, count]) => [{ code }, count]);
}

function samplingMetrics(sampling: SamplingRecord): string[] {
  return [
    counter('traced_packets_total', 'Packets traced whole.', sampling.traced),
    ...(sampling.of === null
      ? []
      : [counter('counted_packets_total', 'Packets counted.', sampling.of)]),
    gauge('tracing_window_open', 'Whether all is traced, 0 or 1.', sampling.sees === 'all' ? 1 : 0),
    gauge(
      'tracing_new_flows',
      'Whether new flows alone are traced, 0 or 1.',
      sampling.sees === 'new-flows' ? 1 : 0,
    ),
    counter('windows_total', 'Times tracing was opened for a moment.', sampling.windows.opened),
    counter('windows_requested_total', 'Those asked for.', sampling.windows.requested),
    counter('windows_crowded_total', 'Those closed early: the ring.', sampling.windows.crowded),
    optional('cpu_budget_ratio', 'Share of one core it may cost.', sampling.budget),
    optional('cpu_cost_ratio', 'Share of one core it does cost.', sampling.cost),
  ];
}

function channelMetrics(channel: ChannelCounts): string[] {
  return [
    counter('channel_ticks_skipped_total', 'Ticks the server missed.', channel.ticksSkipped),
    counter('rows_skipped_total', 'Changes left until the next one.', channel.rowsSkipped),
    counter('rows_restarted_total', 'Times all rows were sent anew.', channel.rowsRestarted),
    counter('questions_late_total', 'Questions past their deadline.', channel.questionsLate),
    counter('catalogs_refused_total', 'Catalogs too large to send.', channel.catalogsRefused),
    counter('log_lines_lost_total', 'Log lines not written.', channel.logLinesLost),
    counter('server_restarts_total', 'Times the server was restarted.', channel.restarts),
  ];
}

/** What is kept, by part: an estimate of its bytes, and its share of `--memory`. */
function memoryMetrics({ quality, rows }: Figures): string[] {
  const parts = Object.entries({
    ...quality.memory,
    rows: { bytes: rows.held * ROW_HELD_BYTES, limit: rows.limit * ROW_HELD_BYTES },
  });
  return [
    gauge(
      'memory_bytes',
      'Memory of what is kept, by part.',
      parts.map(([part, { bytes }]) => [{ part }, bytes]),
    ),
    gauge(
      'memory_limit_bytes',
      'What it may take; past it the oldest goes.',
      parts.map(([part, { limit }]) => [{ part }, limit]),
    ),
  ];
}

/** One line a process; `process` is `collector` or `server`. */
function loadMetrics(loads: Figures['loads']): string[] {
  const known = Object.entries(loads).filter((entry): entry is [string, Load] => entry[1] !== null);
  const of = (value: (load: Load) => number): Sample[] =>
    known.map(([process, load]) => [{ process }, value(load)]);
  const delay = known.flatMap(([process, load]): Sample[] => [
    [{ process, quantile: '0.5' }, load.delayP50],
    [{ process, quantile: '0.99' }, load.delayP99],
    [{ process, quantile: '1' }, load.delayMax],
  ]);
  return [
    metric(
      'gauge',
      'resident_memory_bytes',
      'Resident memory.',
      of((l) => l.residentBytes),
    ),
    metric(
      'gauge',
      'heap_used_bytes',
      'JavaScript heap in use.',
      of((l) => l.heapUsedBytes),
    ),
    metric(
      'gauge',
      'heap_size_bytes',
      'JavaScript heap.',
      of((l) => l.heapTotalBytes),
    ),
    metric(
      'gauge',
      'external_memory_bytes',
      'Memory beside it.',
      of((l) => l.externalBytes),
    ),
    metric('gauge', 'event_loop_delay_seconds', 'Event loop delay, half a minute.', delay),
    summary(
      'gc_duration_seconds',
      'Garbage collections, by kind: time in them, and how many.',
      known.flatMap(([process, { gc }]) =>
        Object.entries(gc).map(
          ([kind, { seconds, count }]) =>
            [
              { process, kind },
              { sum: seconds, count },
            ] as const,
        ),
      ),
    ),
  ];
}

function counter(name: string, help: string, value: number | string | readonly Sample[]): string {
  return metric('counter', name, help, value);
}

function gauge(name: string, help: string, value: number | readonly Sample[]): string {
  return metric('gauge', name, help, value);
}

/** Without a sample while it is not known. */
function optional(name: string, help: string, value: number | null): string {
  return metric('gauge', name, help, value ?? []);
}

/** Of Prometheus' type `summary`, without quantiles. */
function summary(
  name: string,
  help: string,
  values: readonly (readonly [Sample[0], { readonly sum: number; readonly count: number }])[],
): string {
  const full = `hopscope_${name}`;
  const lines = values.map(([labels, { sum, count }]) => {
    const text = labelText(labels);
    return `${full}_sum${text} ${sum}\n${full}_count${text} ${count}\n`;
  });
  return `# HELP ${full} ${help}\n# TYPE ${full} summary\n${lines.join('')}`;
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
