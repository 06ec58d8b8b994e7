import { type Endpoint, endpointText, type TextField } from 'hopscope-protocol';
import { fieldTerm } from '../filter/grammar.js';
import { clockTime, dateTime, elapsed, shortAge } from '../format/clock.js';
import { formatBytes, formatCount, formatDuration, formatExact } from '../format/quantity.js';
import type { Column, Part } from './column.js';
import { destinationLabel, shortService, sourceLabel } from './flow-label.js';
import { VERDICT_SIGN, VERDICT_TONE } from './verdict-sign.js';

function place(name: string | null, field: TextField, endpoint: Endpoint): Part[] {
  const address = endpointText(endpoint);
  const parts: Part[] = [];
  if (name !== null) parts.push({ text: name, tone: 'name', term: fieldTerm(field, name) });
  parts.push({
    text: address,
    tone: name === null ? 'plain' : 'dim',
    term: fieldTerm(field, endpoint.address),
    title: address,
  });
  return parts;
}

export const COLUMNS: readonly Column[] = [
  {
    id: 'start',
    label: 'Started',
    help: 'When the first packet of the flow was seen',
    grow: 0,
    width: 74,
    rank: 0,
    descending: true,
    parts: (row) => [{ text: clockTime(row.start), title: dateTime(row.start) }],
  },
  {
    id: 'last',
    label: 'Last',
    help: 'How long ago the newest packet was seen',
    grow: 0,
    width: 46,
    numeric: true,
    rank: 12,
    descending: true,
    parts: (row, { now }) => {
      const ago = elapsed(row.last, now);
      return [{ text: ago < 2e9 ? 'now' : shortAge(ago), tone: 'dim', title: dateTime(row.last) }];
    },
  },
  {
    id: 'src',
    label: 'Source',
    help: 'Who sent the first packet: name and address',
    grow: 2,
    width: 172,
    rank: 0,
    parts: (row) => place(row.srcName, 'src', row.src),
  },
  {
    id: 'dst',
    label: 'Sent to',
    help: 'The destination as the source wrote it, before any translation',
    grow: 2,
    width: 238,
    rank: 0,
    parts: (row) => {
      if (row.service !== null) {
        return [
          {
            text: shortService(row.service),
            tone: 'name',
            term: fieldTerm('service', row.service),
            title: row.service,
          },
          ...place(null, 'dst', row.dst).map((part) => ({ ...part, tone: 'dim' as const })),
        ];
      }
      return place(row.dnat === null ? row.dstName : null, 'dst', row.dst);
    },
  },
  {
    id: 'to',
    label: 'Arrives as',
    help: 'Addresses after translation (NAT); “as sent” where nothing changed',
    grow: 3,
    width: 234,
    rank: 2,
    parts: (row) => {
      if (!row.answered) {
        const title = 'no answer was seen, so whether it was translated is not known';
        return [{ text: 'not known', tone: 'dim', title }];
      }
      const parts: Part[] =
        row.dnat === null
          ? [{ text: 'as sent', tone: 'dim' }]
          : [{ text: '→', tone: 'mark', title: 'destination translated (DNAT)' }];
      if (row.dnat !== null) parts.push(...place(row.dstName, 'to', row.dnat));
      if (row.snat !== null) {
        const address = endpointText(row.snat);
        parts.push({
          text: `⇠ ${address}`,
          tone: 'mark',
          term: fieldTerm('src', row.snat.address),
          title: `source translated (SNAT) to ${address}`,
        });
      }
      return parts;
    },
  },
  {
    id: 'proto',
    label: 'Proto',
    help: 'Transport protocol',
    grow: 0,
    width: 44,
    rank: 5,
    parts: (row) => [{ text: row.proto, term: fieldTerm('proto', row.proto) }],
  },
  {
    id: 'state',
    label: 'State',
    help: 'State of the connection',
    grow: 0,
    width: 50,
    rank: 10,
    parts: (row) =>
      row.ended === true
        ? [
            {
              text: 'ended',
              tone: 'dim',
              term: fieldTerm('is', 'ended'),
              title: `${row.state}, then over; kept for a while`,
            },
          ]
        : [{ text: row.state, tone: 'dim', term: fieldTerm('state', row.state) }],
  },
  {
    id: 'verdict',
    label: 'Verdict',
    help: 'What became of the packets, with the reason where some were dropped',
    grow: 2,
    width: 216,
    rank: 0,
    parts: (row) => {
      const tone = VERDICT_TONE[row.verdict];
      const parts: Part[] = [
        {
          text: `${VERDICT_SIGN[row.verdict]} ${row.verdict}`,
          tone,
          term: fieldTerm('verdict', row.verdict),
          title: row.drops === '0' ? row.verdict : `${formatExact(row.drops)} packets dropped`,
        },
      ];
      if (row.dropReason !== null) {
        parts.push({
          text: row.dropReason,
          tone: tone === 'bad' ? 'bad' : 'warn',
          term: fieldTerm('reason', row.dropReason),
          title: `${row.dropReason}: ${formatExact(row.drops)} packets dropped`,
        });
      }
      if (row.mtu !== 'fits' && row.mtu !== 'unknown') {
        parts.push({
          text: `MTU ${row.mtu}`,
          tone: row.mtu === 'blackhole' ? 'bad' : 'warn',
          term: fieldTerm('mtu', row.mtu),
        });
      }
      return parts;
    },
  },
  {
    id: 'encap',
    label: 'Encap',
    help: 'Encapsulation on the way and the bytes it adds to each packet',
    grow: 0,
    width: 74,
    rank: 6,
    parts: (row) =>
      row.encapsulation.length === 0
        ? [{ text: 'none', tone: 'dim', term: fieldTerm('encap', 'none') }]
        : row.encapsulation.map(({ type, overhead }) => ({
            text: `${type} +${overhead}`,
            term: fieldTerm('encap', type),
            title: `${type}, ${overhead} bytes of overhead`,
          })),
  },
  {
    id: 'pps',
    label: 'Pkt/s',
    help: 'Packets in the last second, both directions',
    grow: 0,
    width: 46,
    numeric: true,
    rank: 4,
    descending: true,
    parts: (row) => [
      {
        text: formatCount(row.packetsPerSecond),
        tone: row.packetsPerSecond === 0 ? 'dim' : 'plain',
        title: `${formatExact(row.packets)} packets in all`,
      },
    ],
  },
  {
    id: 'bps',
    label: 'Bytes/s',
    help: 'IP bytes in the last second, both directions',
    grow: 0,
    width: 60,
    numeric: true,
    rank: 8,
    descending: true,
    parts: (row) => [
      {
        text: formatBytes(row.bytesPerSecond),
        tone: row.bytesPerSecond === 0 ? 'dim' : 'plain',
        title: `${formatExact(row.bytes)} bytes in all`,
      },
    ],
  },
  {
    id: 'p50',
    label: 'p50',
    help: 'Half of the packets took less, from first to last hop',
    grow: 0,
    width: 68,
    numeric: true,
    rank: 7,
    descending: true,
    parts: (row) => [{ text: formatDuration(row.p50), tone: row.p50 === null ? 'dim' : 'plain' }],
  },
  {
    id: 'p99',
    label: 'p99',
    help: '99 of 100 packets took less, from first to last hop',
    grow: 0,
    width: 68,
    numeric: true,
    rank: 3,
    descending: true,
    parts: (row) => [{ text: formatDuration(row.p99), tone: row.p99 === null ? 'dim' : 'plain' }],
  },
  {
    id: 'packets',
    label: 'Packets',
    help: 'Packets of both directions since it began',
    optional: true,
    grow: 0,
    width: 64,
    numeric: true,
    rank: 13,
    descending: true,
    parts: (row) => [{ text: formatCount(Number(row.packets)), title: formatExact(row.packets) }],
  },
  {
    id: 'bytes',
    label: 'Bytes',
    help: 'IP bytes of both directions since it began',
    optional: true,
    grow: 0,
    width: 70,
    numeric: true,
    rank: 14,
    descending: true,
    parts: (row) => [{ text: formatBytes(Number(row.bytes)), title: formatExact(row.bytes) }],
  },
  {
    id: 'drops',
    label: 'Drops',
    help: 'Packets dropped; copies of what had arrived are not among them',
    optional: true,
    grow: 0,
    width: 56,
    numeric: true,
    rank: 15,
    descending: true,
    parts: (row) => [
      { text: formatCount(Number(row.drops)), tone: row.drops === '0' ? 'dim' : 'bad' },
    ],
  },
];

/** What remains of a row beside an open flow. */
export const RAIL_COLUMNS: readonly Column[] = [
  {
    id: 'flow',
    label: 'Flow',
    help: 'Source, destination and verdict',
    grow: 1,
    width: 200,
    rank: 0,
    parts: (row) => [
      {
        text: VERDICT_SIGN[row.verdict],
        tone: VERDICT_TONE[row.verdict],
        title: row.verdict,
      },
      { text: `${sourceLabel(row)} → ${destinationLabel(row)}`, tone: 'name' },
      { text: clockTime(row.start), tone: 'dim', title: dateTime(row.start) },
    ],
  },
  {
    id: 'p99',
    label: 'p99',
    help: '99 of 100 packets took less, from first to last hop',
    grow: 0,
    width: 66,
    numeric: true,
    rank: 0,
    parts: (row) => [{ text: formatDuration(row.p99), tone: 'dim' }],
  },
];

/** Too narrow for a table: who, what became of it, and how long it took. */
export const NARROW_COLUMNS: readonly Column[] = [
  ...COLUMNS.filter(({ id }) => id === 'start'),
  {
    id: 'flow',
    label: 'Flow',
    help: 'Source and destination',
    grow: 9,
    width: 150,
    rank: 0,
    parts: (row) => [
      { text: `${sourceLabel(row)} → ${destinationLabel(row)}`, tone: 'name' },
      { text: row.proto, tone: 'dim' },
    ],
  },
  ...COLUMNS.filter(({ id }) => id === 'verdict' || id === 'p99'),
];
