import { endpointText } from './endpoint-text.js';
import type { QuantityKind } from './filter-quantity.js';
import type { Endpoint, FlowRow } from './flow-row.js';
import { TAG_FIELDS } from './flow-tags.js';

const TEXT_FIELDS = [
  'src',
  'dst',
  'to',
  'port',
  'proto',
  'service',
  'state',
  'is',
  'verdict',
  'reason',
  'encap',
  'node',
  'srcnode',
  'dstnode',
  'mtu',
  'id',
  ...TAG_FIELDS,
] as const;
const NUMBER_FIELDS = [
  'p50',
  'p99',
  'packets',
  'bytes',
  'pps',
  'bps',
  'drops',
  'overhead',
  'age',
  'idle',
] as const;

export type TextField = (typeof TEXT_FIELDS)[number];
export type NumberField = (typeof NUMBER_FIELDS)[number];
export type FilterField = TextField | NumberField;

interface TextSpec {
  readonly help: string;
  /** All values that it can have, where they are few and known. */
  readonly values?: readonly string[];
  /** Whether prefixes such as 10.0.0.0/8 can stand for addresses. */
  readonly isAddress?: true;
}

interface NumberSpec {
  readonly help: string;
  readonly kind: QuantityKind;
}

export const TEXT_SPECS: Readonly<Record<TextField, TextSpec>> = {
  src: { help: 'who sent the first packet: name, address, prefix', isAddress: true },
  dst: { help: 'where it was sent, before any translation', isAddress: true },
  to: { help: 'where it arrives, after translation', isAddress: true },
  port: { help: 'a port of either end; 8000..8099 for a range' },
  proto: { help: 'transport protocol' },
  service: { help: 'service, with or without its namespace' },
  state: { help: 'state of the connection', values: ['new', 'active', 'closing', 'closed'] },
  is: {
    help: 'what holds of the flow',
    values: ['live', 'ended', 'answered', 'unanswered', 'translated', 'tunnelled', 'dropped'],
  },
  verdict: {
    help: 'what became of its packets',
    values: ['delivered', 'forwarded', 'lossy', 'dropped', 'unknown'],
  },
  reason: { help: 'why packets were dropped' },
  encap: { help: 'tunnel on the way, or none' },
  node: { help: 'node of either end' },
  srcnode: { help: 'node of the source' },
  dstnode: { help: 'node of the destination' },
  mtu: {
    help: 'what its packets say of the MTU',
    values: ['fits', 'fragments', 'blackhole', 'pmtu', 'unknown'],
  },
  id: { help: 'id of the flow' },
  pod: { help: 'pod at either end' },
  ns: { help: 'namespace of Kubernetes of either end' },
  svc: { help: 'service, with or without its namespace' },
  workload: { help: 'Deployment/web, or web' },
  label: { help: 'label of either end, key=value' },
};

export const NUMBER_SPECS: Readonly<Record<NumberField, NumberSpec>> = {
  p50: { help: 'half of its packets took less, as in p50>100us', kind: 'duration' },
  p99: { help: '99 of 100 packets took less, as in p99>1ms', kind: 'duration' },
  packets: { help: 'packets, both directions', kind: 'count' },
  bytes: { help: 'IP bytes, both directions, as in bytes>1MB', kind: 'bytes' },
  pps: { help: 'packets in the last second', kind: 'count' },
  bps: { help: 'bytes in the last second, as in bps>10kB', kind: 'bytes' },
  drops: { help: 'packets dropped', kind: 'count' },
  overhead: { help: 'bytes that tunnels add to a packet', kind: 'count' },
  age: { help: 'time since the first packet, as in age<30s', kind: 'duration' },
  idle: { help: 'time since the newest packet', kind: 'duration' },
};

export const FILTER_FIELDS: readonly FilterField[] = [...TEXT_FIELDS, ...NUMBER_FIELDS];
/** What a word without a field is looked for in. */
export const SEARCHED_FIELDS: readonly TextField[] = TEXT_FIELDS.filter((name) => name !== 'is');

export function isNumberField(name: string): name is NumberField {
  return Object.hasOwn(NUMBER_SPECS, name);
}

export function isTextField(name: string): name is TextField {
  return Object.hasOwn(TEXT_SPECS, name);
}

function endpointValues(endpoint: Endpoint | null): string[] {
  return endpoint === null ? [] : [endpoint.address, endpointText(endpoint)];
}

function present(...values: readonly (string | null)[]): string[] {
  return values.filter((value): value is string => value !== null);
}

/** `default/nginx` is `nginx` too: what is printed must be found. */
function serviceValues(service: string | null): string[] {
  if (service === null) return [];
  const name = service.slice(service.indexOf('/') + 1);
  return name === service ? [service] : [service, name];
}

function facts(row: FlowRow): string[] {
  return [
    row.ended === true ? 'ended' : 'live',
    row.answered ? 'answered' : 'unanswered',
    ...(row.dnat !== null || row.snat !== null ? ['translated'] : []),
    ...(row.encapsulation.length > 0 ? ['tunnelled'] : []),
    ...(row.drops === '0' ? [] : ['dropped']),
  ];
}

/** The values a row has for a field; a term on the field matches any one of them. */
export function fieldValues(row: FlowRow, field: TextField): string[] {
  switch (field) {
    case 'src':
      return [...present(row.srcName), ...endpointValues(row.src), ...endpointValues(row.snat)];
    case 'dst':
      return [
        ...serviceValues(row.service),
        ...present(row.dnat === null ? row.dstName : null),
        ...endpointValues(row.dst),
      ];
    case 'to':
      return [...present(row.dstName), ...endpointValues(row.dnat ?? row.dst)];
    case 'port':
      return [row.src.port, row.dst.port, row.dnat?.port ?? null, row.snat?.port ?? null]
        .filter((port) => port !== null)
        .map(String);
    case 'proto':
      return [row.proto];
    case 'service':
      return serviceValues(row.service);
    case 'state':
      return [row.state];
    case 'is':
      return facts(row);
    case 'verdict':
      return [row.verdict];
    case 'reason':
      return present(row.dropReason);
    case 'encap':
      return row.encapsulation.length === 0 ? ['none'] : row.encapsulation.map(({ type }) => type);
    case 'node':
      return present(row.srcNode, row.dstNode);
    case 'srcnode':
      return present(row.srcNode);
    case 'dstnode':
      return present(row.dstNode);
    case 'mtu':
      return [row.mtu];
    case 'id':
      return [row.id];
    case 'pod':
    case 'ns':
    case 'svc':
    case 'workload':
    case 'label':
      return (row.tags ?? [])
        .filter((tag) => tag.startsWith(`${field}:`))
        .map((tag) => tag.slice(field.length + 1));
  }
}

/** A row's number, nanoseconds where it is a time; null where it is not known. `now`: wall clock, ns. */
export function fieldNumber(row: FlowRow, field: NumberField, now: number): number | null {
  switch (field) {
    case 'p50':
      return row.p50;
    case 'p99':
      return row.p99;
    case 'packets':
      return Number(row.packets);
    case 'bytes':
      return Number(row.bytes);
    case 'pps':
      return row.packetsPerSecond;
    case 'bps':
      return row.bytesPerSecond;
    case 'drops':
      return Number(row.drops);
    case 'overhead':
      return row.encapsulation.reduce((sum, { overhead }) => sum + overhead, 0);
    case 'age':
      return now - Number(row.start);
    case 'idle':
      return now - Number(row.last);
  }
}
