import { Counter, type CounterOptions } from '../../src/source/counter.js';
import { Epoch } from '../../src/wire/clock.js';
import type { CountCursor, CountedTuple } from '../../src/wire/count-cursor.js';
import {
  A,
  B,
  countedDevice,
  ifindexOf,
  numberOf,
  ROUTER,
  type Traffic,
} from './counted-router.js';
import { objectFile } from './tracer-object.js';

const OBJECTS = { tcx: objectFile('counter'), packet: objectFile('counter-packet') };

/** An entry of the counter, copied. */
export interface Row extends Traffic {
  dev: 'a' | 'b' | 'other';
  direction: 'in' | 'out';
  family: number;
  protocol: number;
  src: number[];
  dst: number[];
  sport: number;
  dport: number;
  largest: number;
  tcpFlags: number;
  first: number;
  last: number;
  syn: number;
  fin: number;
  repeated: number;
  gone: boolean;
  original: ReturnType<typeof tuple> | null;
  reply: ReturnType<typeof tuple> | null;
}

export const tuple = (t: CountedTuple) => ({
  src: [...t.src],
  dst: [...t.dst],
  sport: t.sport,
  dport: t.dport,
});
/** An IPv4 address in four words. */
export const word = (address: string): number[] => [
  0,
  0,
  0,
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0),
];

/** The ways to count; all have to come to the same. */
export const MODES = [
  { name: 'tcx', instrument: 'tcx', withPeer: false },
  { name: 'packet sockets on both ends of a veth', instrument: 'packet', withPeer: true },
  { name: 'packet sockets that see both directions', instrument: 'packet', withPeer: false },
] as const;

export type Mode = (typeof MODES)[number];

/** Counts on the router's ends of both pods' veths. */
export async function startCounter(
  { instrument, withPeer }: Mode,
  options: Partial<CounterOptions> = {},
): Promise<Counter> {
  const epoch = new Epoch(process.hrtime.bigint());
  const counter = await Counter.open({ objects: OBJECTS, epoch, instrument, ...options });
  await counter.countOn([await countedDevice(A, withPeer), await countedDevice(B, withPeer)]);
  return counter;
}

/** One walk over the table. */
export async function rowsOf(from: Counter): Promise<Row[]> {
  const [a, b] = [await ifindexOf(ROUTER, A.dev), await ifindexOf(ROUTER, B.dev)];
  const rows: Row[] = [];
  from.readAll((row: CountCursor) => {
    const at = row.netns === numberOf(ROUTER) ? row.ifindex : -1;
    rows.push({
      dev: at === a ? 'a' : at === b ? 'b' : 'other',
      direction: row.direction,
      family: row.family,
      protocol: row.protocol,
      src: [...row.src],
      dst: [...row.dst],
      sport: row.sport,
      dport: row.dport,
      packets: row.packets,
      bytes: row.bytes,
      largest: row.largest,
      tcpFlags: row.tcpFlags,
      first: row.first,
      last: row.last,
      syn: row.syn,
      fin: row.fin,
      repeated: row.repeated,
      gone: row.gone,
      original: row.ctOriginal && tuple(row.ctOriginal),
      reply: row.ctReply && tuple(row.ctReply),
    });
  });
  return rows;
}

export const total = (rows: Row[]): Traffic => ({
  packets: rows.reduce((sum, row) => sum + row.packets, 0),
  bytes: rows.reduce((sum, row) => sum + row.bytes, 0),
});
