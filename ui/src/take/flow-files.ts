import { endpointText, type FlowRow } from 'hopscope-protocol';

/** Columns of the CSV, in order: names stay, new ones come last. */
const CSV_COLUMNS: readonly (readonly [
  name: string,
  value: (row: FlowRow) => string | number | null,
])[] = [
  ['id', (row) => row.id],
  ['start_ns', (row) => row.start],
  ['last_ns', (row) => row.last],
  ['proto', (row) => row.proto],
  ['state', (row) => row.state],
  ['src_name', (row) => row.srcName],
  ['src', (row) => endpointText(row.src)],
  ['dst', (row) => endpointText(row.dst)],
  ['service', (row) => row.service],
  ['dst_name', (row) => row.dstName],
  ['dnat', (row) => (row.dnat === null ? null : endpointText(row.dnat))],
  ['snat', (row) => (row.snat === null ? null : endpointText(row.snat))],
  ['verdict', (row) => row.verdict],
  ['drop_reason', (row) => row.dropReason],
  ['drops', (row) => row.drops],
  ['encapsulation', (row) => row.encapsulation.map(({ type }) => type).join(' ') || null],
  ['mtu', (row) => row.mtu],
  ['packets', (row) => row.packets],
  ['bytes', (row) => row.bytes],
  ['p50_ns', (row) => row.p50],
  ['p99_ns', (row) => row.p99],
];

/** As RFC 4180 has it. What a spreadsheet would take for a formula is kept as text. */
function csvField(value: string | number | null): string {
  if (value === null) return '';
  const text =
    typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Rows as a table for other programs; what is not known is empty. */
export function flowsCsv(rows: readonly FlowRow[]): string {
  const lines = rows.map((row) => CSV_COLUMNS.map(([, value]) => csvField(value(row))).join(','));
  return `${[CSV_COLUMNS.map(([name]) => name).join(','), ...lines].join('\r\n')}\r\n`;
}

/** Rows as they are, with when and by which filter they were taken. */
export function flowsJson(rows: readonly FlowRow[], filter: string, now: string): string {
  return `${JSON.stringify({ type: 'flows', filter, now, flows: rows }, null, 1)}\n`;
}
