/**
 * What the daemon and the dashboard say to each other over `/ws`, in JSON text
 * frames. This is the only file both sides share, so it also holds the meaning of
 * a filter: daemon and browser must agree on which rows one leaves.
 *
 * A change that an older reader would misread raises `PROTOCOL_VERSION`; a new
 * optional field does not.
 */
import type { QualityRecord, SamplingRecord } from '../model/feed.js';
import type {
  Direction,
  EncapsulationType,
  FlowRecord,
  MtuVerdict,
  PathRecord,
} from '../model/records.js';

export const PROTOCOL_VERSION = 1;

/**
 * How often the daemon sends changed rows, in milliseconds: with the 100 ms that a packet
 * may take to the flow table, a change is on the page within 250 ms.
 */
export const TICK_MS = 100;
/** How often it sends details and quality, and measures rates, in milliseconds. */
export const SLOW_TICK_MS = 1000;
/** Rows one `flows` message holds at most; the rest follow at the next tick. */
export const ROWS_PER_MESSAGE = 1000;
/** Rows a client is sent when it starts anew, those that changed last, and keeps at most. */
export const ROW_WINDOW = 5000;
/** Flows whose detail one client may follow at a time. */
export const SUBSCRIPTION_LIMIT = 4;
/** Newest finished paths of a followed flow that a client is told of. */
export const PATHS_PER_FLOW = 24;
/** Paths one message brings at most: each may have a hundred hops. */
export const PATHS_PER_MESSAGE = 8;
/** Flows of one chain through proxies that are told of at most. */
export const CHAIN_LIMIT = 17;
/** Bytes of one client message. */
export const CLIENT_MESSAGE_LIMIT = 8192;
/** Terms of one filter. */
export const FILTER_TERM_LIMIT = 32;
const FILTER_TEXT_LIMIT = 256;
const FLOW_ID_LIMIT = 128;

export type Mode = 'live' | 'replay' | 'demo';

/**
 * What became of a flow's packets: `lossy` means that some were dropped while the
 * newest known one was not.
 */
export type RowVerdict = 'delivered' | 'forwarded' | 'lossy' | 'dropped' | 'unknown';

export interface Endpoint {
  readonly address: string;
  readonly port: number | null;
}

/** One flow as the table shows it. Rates are over a second or more, `null` when not known yet. */
export interface FlowRow {
  readonly id: string;
  readonly state: string;
  /** Wall-clock nanoseconds since the epoch. */
  readonly start: string;
  readonly last: string;
  readonly proto: string;
  readonly service: string | null;
  readonly srcName: string | null;
  readonly srcNode: string | null;
  readonly src: Endpoint;
  /** Where the source sent it. */
  readonly dst: Endpoint;
  readonly dstName: string | null;
  readonly dstNode: string | null;
  /** Whether an answer was seen; else translations are not known, whatever these two say. */
  readonly answered: boolean;
  /** Translated destination, `null` when it stayed as sent. */
  readonly dnat: Endpoint | null;
  /** Translated source, `null` when it stayed as sent. */
  readonly snat: Endpoint | null;
  readonly verdict: RowVerdict;
  readonly dropReason: string | null;
  readonly drops: string;
  readonly encapsulation: readonly {
    readonly type: EncapsulationType;
    readonly overhead: number;
  }[];
  readonly mtu: MtuVerdict;
  readonly packets: string;
  readonly bytes: string;
  readonly packetsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
  /** Nanoseconds from first to last hop in the original direction. */
  readonly p50: number | null;
  readonly p99: number | null;
}

export interface Rate {
  readonly packetsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
}

export interface HelloMessage {
  readonly type: 'hello';
  readonly protocol: number;
  /** hopscope's own version. */
  readonly version: string;
  /** Differs for each run of the daemon: after a restart nothing known before is valid. */
  readonly run: string;
  readonly node: string;
  readonly kernel: string;
  readonly mode: Mode;
  /** What is being shown, in a sentence. */
  readonly description: string;
  readonly missing: readonly string[];
}

export interface FlowsMessage {
  readonly type: 'flows';
  /** Forget every row known before. */
  readonly reset: boolean;
  readonly rows: readonly FlowRow[];
  readonly removed: readonly string[];
  /** Flows in the daemon's table, whatever the filter. */
  readonly total: number;
  /** Changed rows that wait for the next tick because this message was full. */
  readonly behind: number;
  /** The feed's time, wall-clock nanoseconds: of the recording when one is replayed. */
  readonly now: string;
}

export interface FlowMessage {
  readonly type: 'flow';
  readonly id: string;
  /** `null` once the flow has left the daemon's table. */
  readonly flow: FlowRecord | null;
  readonly rates: { readonly original: Rate; readonly reply: Rate } | null;
  /**
   * The flows of its chain through proxies in order, this one among them: those it was
   * opened for before it, those opened for it behind it. Empty without a chain.
   */
  readonly chain: readonly FlowRow[];
  /** What the client knows with this message, newest first, at most `PATHS_PER_FLOW`. */
  readonly pathIds: readonly string[];
  /** Those of `pathIds` that no message before brought. */
  readonly paths: readonly PathRecord[];
  readonly now: string;
}

export interface QualityMessage {
  readonly type: 'quality';
  readonly quality: QualityRecord;
  readonly clients: number;
}

export interface ErrorMessage {
  readonly type: 'error';
  readonly code: string;
  readonly message: string;
}

export type ServerMessage =
  | HelloMessage
  | FlowsMessage
  | FlowMessage
  | QualityMessage
  | ErrorMessage;

export interface SubscribeMessage {
  readonly type: 'subscribe';
  readonly id: string;
}

export interface UnsubscribeMessage {
  readonly type: 'unsubscribe';
  readonly id: string;
}

/** Send only rows that match; no terms for all. The rows are sent anew. */
export interface FilterMessage {
  readonly type: 'filter';
  readonly terms: readonly FilterTerm[];
}

/** Stop or resume `flows` messages; details and quality go on. */
export interface PauseMessage {
  readonly type: 'pause';
  readonly paused: boolean;
}

export type ClientMessage = SubscribeMessage | UnsubscribeMessage | FilterMessage | PauseMessage;

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: string; readonly message: string };

// ---------------------------------------------------------------- meaning

/** Which way of the flow a path went: as recorded, else from what its first hop shows. */
export function pathDirection(flow: FlowRecord, path: PathRecord): Direction {
  if (path.direction !== undefined) return path.direction;
  const first = path.hops.find((hop) => hop.tuple !== null)?.tuple;
  if (first !== undefined && first !== null) {
    const { original, reply } = flow;
    if (first.src === original.src && first.sport === original.sport) return 'original';
    if (reply !== null && first.src === reply.src && first.sport === reply.sport) return 'reply';
  }
  return path.hops.some((hop) => hop.ct?.reply === true) ? 'reply' : 'original';
}

// ---------------------------------------------------------------- filters

export const FILTER_FIELDS = [
  'src',
  'dst',
  'to',
  'port',
  'proto',
  'service',
  'state',
  'verdict',
  'reason',
  'encap',
  'node',
  'mtu',
  'id',
] as const;
export type FilterField = (typeof FILTER_FIELDS)[number];

/** One condition. Without a field, `value` may stand anywhere in the row. */
export interface FilterTerm {
  readonly field: FilterField | null;
  readonly value: string;
  readonly negate: boolean;
}

export function isFilterField(name: string): name is FilterField {
  return (FILTER_FIELDS as readonly string[]).includes(name);
}

/** `10.0.0.1:80`, `[fd00::1]:80`, or the address alone when there is no port. */
export function endpointText(endpoint: Endpoint): string {
  if (endpoint.port === null) return endpoint.address;
  const address = endpoint.address.includes(':') ? `[${endpoint.address}]` : endpoint.address;
  return `${address}:${endpoint.port}`;
}

function endpointValues(endpoint: Endpoint | null): string[] {
  return endpoint === null ? [] : [endpoint.address, endpointText(endpoint)];
}

function present(...values: readonly (string | null)[]): string[] {
  return values.filter((value): value is string => value !== null);
}

/** The values a row has for a field; a term on the field matches any one of them. */
export function fieldValues(row: FlowRow, field: FilterField): string[] {
  switch (field) {
    case 'src':
      return [...present(row.srcName), ...endpointValues(row.src), ...endpointValues(row.snat)];
    case 'dst':
      return [...present(row.service), ...endpointValues(row.dst)];
    case 'to':
      return [...present(row.dstName), ...endpointValues(row.dnat ?? row.dst)];
    case 'port':
      return [row.src.port, row.dst.port, row.dnat?.port ?? null, row.snat?.port ?? null]
        .filter((port) => port !== null)
        .map(String);
    case 'proto':
      return [row.proto];
    case 'service':
      return present(row.service);
    case 'state':
      return [row.state];
    case 'verdict':
      return [row.verdict];
    case 'reason':
      return present(row.dropReason);
    case 'encap':
      return row.encapsulation.length === 0 ? ['none'] : row.encapsulation.map(({ type }) => type);
    case 'node':
      return present(row.srcNode, row.dstNode);
    case 'mtu':
      return [row.mtu];
    case 'id':
      return [row.id];
  }
}

function matchesTerm(row: FlowRow, term: FilterTerm): boolean {
  const wanted = term.value.toLowerCase();
  if (term.field !== null) {
    const prefix = wanted.endsWith('*') ? wanted.slice(0, -1) : null;
    return fieldValues(row, term.field).some((value) => {
      const have = value.toLowerCase();
      return prefix === null ? have === wanted : have.startsWith(prefix);
    });
  }
  return textOf(row).includes(wanted);
}

/** Rows are never changed, and a filter box asks each of thousands at every keystroke. */
const texts = new WeakMap<FlowRow, string>();

/** All values of a row in lower case, one a line. */
function textOf(row: FlowRow): string {
  let text = texts.get(row);
  if (text === undefined) {
    text = FILTER_FIELDS.flatMap((field) => fieldValues(row, field))
      .join('\n')
      .toLowerCase();
    texts.set(row, text);
  }
  return text;
}

/**
 * Terms of one field widen each other (`proto:tcp proto:udp` is either); terms of
 * different fields, words without a field and negated terms each narrow.
 */
export function matchesFilter(row: FlowRow, terms: readonly FilterTerm[]): boolean {
  const wanted = new Map<FilterField, boolean>();
  for (const term of terms) {
    const matches = matchesTerm(row, term);
    if (term.negate) {
      if (matches) return false;
    } else if (term.field === null) {
      if (!matches) return false;
    } else {
      wanted.set(term.field, (wanted.get(term.field) ?? false) || matches);
    }
  }
  for (const matched of wanted.values()) if (!matched) return false;
  return true;
}

// ---------------------------------------------------------------- validation

/** Where an untrusted value is not what it should be. */
class Mismatch extends Error {}

type Reader<T> = (value: unknown, at: string) => T;
type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const object: Reader<Fields> = (value, at) => {
  if (!isFields(value)) throw new Mismatch(`${at} is not an object`);
  return value;
};

const boolean: Reader<boolean> = (value, at) => {
  if (typeof value !== 'boolean') throw new Mismatch(`${at} is not true or false`);
  return value;
};

const number: Reader<number> = (value, at) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new Mismatch(`${at} is not a number`);
  }
  return value;
};

const string: Reader<string> = (value, at) => {
  if (typeof value !== 'string') throw new Mismatch(`${at} is not a string`);
  return value;
};

const decimal: Reader<string> = (value, at) => {
  if (typeof value !== 'string' || !/^-?\d{1,20}$/.test(value)) {
    throw new Mismatch(`${at} is not a decimal string`);
  }
  return value;
};

function short(limit: number): Reader<string> {
  return (value, at) => {
    const text = string(value, at);
    if (text.length === 0 || text.length > limit) {
      throw new Mismatch(`${at} must have 1 to ${limit} characters`);
    }
    return text;
  };
}

function nullable<T>(reader: Reader<T>): Reader<T | null> {
  return (value, at) => (value === null ? null : reader(value, at));
}

function list<T>(reader: Reader<T>, limit = Number.POSITIVE_INFINITY): Reader<T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw new Mismatch(`${at} is not a list`);
    if (value.length > limit) throw new Mismatch(`${at} has more than ${limit} entries`);
    return value.map((item, index) => reader(item, `${at}[${index}]`));
  };
}

function oneOf<T extends string>(...allowed: readonly T[]): Reader<T> {
  return (value, at) => {
    const found = allowed.find((item) => item === value);
    if (found === undefined) throw new Mismatch(`${at} is not one of ${allowed.join(', ')}`);
    return found;
  };
}

/**
 * Checks the fields named and passes the value on as it is, so that a newer
 * daemon's additional fields survive.
 */
function shape<T>(readers: { readonly [K in keyof T]?: Reader<T[K]> }): Reader<T> {
  const entries = Object.entries(readers) as [string, Reader<unknown>][];
  return (value, at) => {
    const fields = object(value, at);
    for (const [name, reader] of entries) reader(fields[name], `${at}.${name}`);
    return fields as T;
  };
}

const endpoint = shape<Endpoint>({ address: string, port: nullable(number) });

const flowRow = shape<FlowRow>({
  id: string,
  state: string,
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
  windowOpen: boolean,
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
  shed: decimal,
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

const flowId = short(FLOW_ID_LIMIT);

const CLIENT_READERS: {
  readonly [T in ClientMessage['type']]: Reader<Extract<ClientMessage, { type: T }>>;
} = {
  subscribe: (value, at) => ({
    type: 'subscribe',
    id: flowId(object(value, at)['id'], `${at}.id`),
  }),
  unsubscribe: (value, at) => ({
    type: 'unsubscribe',
    id: flowId(object(value, at)['id'], `${at}.id`),
  }),
  filter: (value, at) => ({
    type: 'filter',
    terms: list<FilterTerm>((item, where) => {
      const fields = object(item, where);
      return {
        field: nullable(oneOf<FilterField>(...FILTER_FIELDS))(fields['field'], `${where}.field`),
        value: short(FILTER_TEXT_LIMIT)(fields['value'], `${where}.value`),
        negate: boolean(fields['negate'], `${where}.negate`),
      };
    }, FILTER_TERM_LIMIT)(object(value, at)['terms'], `${at}.terms`),
  }),
  pause: (value, at) => ({
    type: 'pause',
    paused: boolean(object(value, at)['paused'], `${at}.paused`),
  }),
};

function parse<T>(text: string, readers: Readonly<Record<string, Reader<T>>>): Parsed<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, code: 'not-json', message: 'the message is not JSON' };
  }
  const type = isFields(value) ? value['type'] : undefined;
  if (typeof type !== 'string') {
    return { ok: false, code: 'no-type', message: 'the message has no type' };
  }
  const reader = Object.hasOwn(readers, type) ? readers[type] : undefined;
  if (reader === undefined) {
    const known = Object.keys(readers).join(', ');
    return { ok: false, code: 'unknown-type', message: `the type is not one of ${known}` };
  }
  try {
    return { ok: true, value: reader(value, type) };
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    return { ok: false, code: 'bad-field', message: error.message };
  }
}

/** Reads what a browser sent. Never throws; `code` says what is wrong. */
export function parseClientMessage(text: string): Parsed<ClientMessage> {
  return parse<ClientMessage>(text, CLIENT_READERS);
}

/** Reads what a daemon sent. Never throws; `code` says what is wrong. */
export function parseServerMessage(text: string): Parsed<ServerMessage> {
  return parse<ServerMessage>(text, SERVER_READERS);
}
