import type { Endpoint, FlowRow, Rate, RowVerdict } from './flow-row.js';
import { TAGS_LIMIT } from './flow-tags.js';
import { CHAIN_LIMIT, PATHS_PER_FLOW, PATHS_PER_MESSAGE, ROWS_PER_MESSAGE } from './limits.js';
import type {
  ErrorMessage,
  FlowMessage,
  FlowsMessage,
  HelloMessage,
  Mode,
  QualityMessage,
  ServerMessage,
} from './messages.js';
import { type Parsed, parseMessage } from './parse-message.js';
import type { QualityRecord, SamplingRecord } from './quality-record.js';
import type { FlowRecord, PathRecord } from './records.js';
import {
  boolean,
  decimal,
  list,
  nullable,
  number,
  object,
  oneOf,
  type Reader,
  shape,
  string,
} from './untrusted-value.js';

const endpoint = shape<Endpoint>({ address: string, port: nullable(number) });

const flowRow = shape<FlowRow>({
  id: string,
  state: string,
  ended: (value) => (value === true ? true : undefined),
  start: decimal,
  last: decimal,
  proto: string,
  service: nullable(string),
  srcName: nullable(string),
  srcNode: nullable(string),
  src: endpoint,
  dst: endpoint,
  dstName: nullable(string),
  dstNode: nullable(string),
  answered: boolean,
  dnat: nullable(endpoint),
  snat: nullable(endpoint),
  verdict: oneOf<RowVerdict>('delivered', 'forwarded', 'lossy', 'dropped', 'unknown'),
  dropReason: nullable(string),
  drops: decimal,
  encapsulation: list((value, at) => {
    const fields = object(value, at);
    number(fields['overhead'], `${at}.overhead`);
    return { type: string(fields['type'], `${at}.type`) } as FlowRow['encapsulation'][number];
  }),
  packets: decimal,
  bytes: decimal,
  packetsPerSecond: nullable(number),
  bytesPerSecond: nullable(number),
  p50: nullable(number),
  p99: nullable(number),
  tags: (value, at) => (value === undefined ? undefined : list(string, TAGS_LIMIT)(value, at)),
});

const direction = shape<{ original: string; reply: string }>({ original: decimal, reply: decimal });

const flowRecord = shape<FlowRecord>({
  id: string,
  state: string,
  start: decimal,
  last: decimal,
  packets: direction,
  bytes: direction,
  drops: shape<FlowRecord['drops']>({ original: decimal, reply: decimal }),
  original: shape<FlowRecord['original']>({ proto: string, src: string, dst: string }),
  legs: list(shape<FlowRecord['legs'][number]>({ netns: string, packets: decimal })),
  encapsulation: list(shape<FlowRecord['encapsulation'][number]>({ overhead: number })),
  mtu: shape<FlowRecord['mtu']>({ largest: number }),
});

const pathRecord = shape<PathRecord>({
  id: string,
  start: decimal,
  verdict: oneOf('delivered', 'dropped', 'forwarded', 'unknown'),
  hops: list(
    shape<PathRecord['hops'][number]>({
      netns: string,
      stage: oneOf('egress', 'ingress', 'netfilter', 'deliver', 'drop'),
      len: nullable(number),
      sincePrevNs: nullable(number),
    }),
  ),
});

const rate = shape<Rate>({
  packetsPerSecond: nullable(number),
  bytesPerSecond: nullable(number),
});

const counts: Reader<Readonly<Record<string, string>>> = (value, at) => {
  for (const [name, count] of Object.entries(object(value, at))) decimal(count, `${at}.${name}`);
  return value as Readonly<Record<string, string>>;
};

const samplingRecord = shape<SamplingRecord>({
  mode: string as Reader<SamplingRecord['mode']>,
  sees: oneOf('all', 'new-flows', 'drops'),
  detail: oneOf('all', 'edges'),
  traced: decimal,
  of: nullable(decimal),
  budget: nullable(number),
  cost: nullable(number),
});

const quality = shape<QualityRecord>({
  eventsPerSecond: number,
  events: decimal,
  lost: decimal,
  evicted: decimal,
  skipped: decimal,
  losses: counts,
  malformed: counts,
  cpu: number,
  openPaths: number,
  flows: number,
  sampling: (value, at) => (value == null ? null : samplingRecord(value, at)),
  missing: list(string),
});

const SERVER_READERS: {
  readonly [T in ServerMessage['type']]: Reader<Extract<ServerMessage, { type: T }>>;
} = {
  hello: shape<HelloMessage>({
    protocol: number,
    version: string,
    run: string,
    node: string,
    kernel: string,
    mode: oneOf<Mode>('live', 'replay', 'demo'),
    description: string,
    missing: list(string),
  }),
  flows: shape<FlowsMessage>({
    reset: boolean,
    rows: list(flowRow, ROWS_PER_MESSAGE),
    removed: list(string),
    total: number,
    behind: number,
    now: decimal,
  }),
  flow: shape<FlowMessage>({
    id: string,
    flow: nullable(flowRecord),
    rates: nullable(shape<{ original: Rate; reply: Rate }>({ original: rate, reply: rate })),
    chain: list(flowRow, CHAIN_LIMIT),
    pathIds: list(string, PATHS_PER_FLOW),
    paths: list(pathRecord, PATHS_PER_MESSAGE),
    now: decimal,
  }),
  quality: shape<QualityMessage>({ quality, clients: number }),
  error: shape<ErrorMessage>({ code: string, message: string }),
};

/** Reads what a daemon sent. Never throws; `code` says what is wrong. */
export function parseServerMessage(text: string): Parsed<ServerMessage> {
  return parseMessage<ServerMessage>(text, SERVER_READERS);
}
