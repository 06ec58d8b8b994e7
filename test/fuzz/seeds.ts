import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cwd } from 'node:process';
import { compilePacketFilter } from 'ebpf-ts';
import type { PathRecord } from 'hopscope-protocol';
import { flowRow } from '../../src/serve/flow-row.js';
import { RowFeed } from '../../src/serve/row-feed.js';
import { COUNT_ENTRY_BYTES } from '../../src/source/count-entries.js';
import { type Chunk, Recording } from '../../src/source/recording.js';
import {
  CHUNK_BATCH,
  CHUNK_CATALOG,
  CHUNK_COUNTS,
  CHUNK_FOOTER,
  CHUNK_HEADER_TYPE,
  CHUNK_SYMBOLS,
  CHUNK_TICK,
  CHUNK_WINDOW,
  json,
  layoutFingerprint,
  MAGIC,
} from '../../src/source/recording-format.js';
import { CLUSTER } from '../fixtures/catalog.js';
import { FIXTURES } from '../packet/fixtures.js';
import { chain, WRITTEN } from '../rules/nft-bytes.js';
import {
  droppedFlow,
  droppedPath,
  FixtureFeed,
  serviceFlow,
  servicePath,
} from '../serve/fixture-feed.js';
import { LoadedCollector } from '../serve/loaded-collector.js';
import { flowId } from './answering-collector.js';
import { BATCHES, RECORDS } from './batches.js';

/** Batches of a recording are cut to so much: of the seeds there are many, and each is small. */
const BATCH_BYTES = 1_500;
const RULE_LINES = 12;

/** What each target begins with, made of what else the tests have. */
export function seeds(): ReadonlyMap<string, readonly Uint8Array[]> {
  const recordings = ['S2', 'S10', 'S12', 'S19'].map((name) =>
    Recording.read(join(cwd(), 'test', 'recordings', `${name}.hops.gz`)),
  );
  const ofLink = (link: string): readonly Uint8Array[] =>
    FIXTURES.filter((fixture) => fixture.link === link).map(({ bytes }) => bytes);
  const batches = BATCHES.filter((_, index) => index % 8 === 0 || index < RECORDS.length);
  return new Map<string, readonly Uint8Array[]>([
    ['records', batches],
    ['pipeline', [...batches.slice(0, 40), ...recordings.flatMap(partsOfBatches).slice(0, 12)]],
    ['counts', recordings.flatMap(counts).slice(0, 24)],
    ['packet-ethernet', ofLink('ethernet')],
    ['packet-ip', ofLink('ip')],
    ['recording', recordings.map(small)],
    ['websocket', CLIENT_MESSAGES.map((message) => text(JSON.stringify(message)))],
    ['http', REQUESTS.map((request) => text(request))],
    ['http-socket', REQUESTS.map((request) => text(request))],
    ['rules', rules()],
    ['rules-netlink', rulesNetlink()],
    ['names', catalogs()],
    ['filter-expression', EXPRESSIONS.map((expression) => text(expression))],
    ['filter-program', EXPRESSIONS.flatMap(programs)],
    ['to-collector', COLLECTOR_MESSAGES.map((message) => text(JSON.stringify(message)))],
    ['rows', rows()],
    ['to-browser', serverMessages().map((message) => text(JSON.stringify(message)))],
  ]);
}

function text(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value));
}

function partsOfBatches(recording: Recording): Uint8Array[] {
  return [...recording.chunks()]
    .filter(({ type }) => type === CHUNK_BATCH)
    .map(({ payload }) => new Uint8Array(payload.subarray(0, BATCH_BYTES)));
}

function counts(recording: Recording): Uint8Array[] {
  return [...recording.chunks()]
    .filter(({ type }) => type === CHUNK_COUNTS)
    .map(({ payload }) => {
      const entries: Uint8Array[] = [];
      for (let at = 0; at + COUNT_ENTRY_BYTES <= payload.length; at += COUNT_ENTRY_BYTES) {
        entries.push(payload.subarray(at + 8, at + COUNT_ENTRY_BYTES));
      }
      return new Uint8Array(Buffer.concat(entries));
    });
}

/** A recording of every kind of chunk, its batches cut. */
function small(recording: Recording): Uint8Array {
  const header = { ...recording.header, layout: layoutFingerprint(), missing: ['a limit'] };
  const seen = new Map<number, number>();
  const chunks = [...recording.chunks()].flatMap(({ type, payload }): Chunk[] => {
    const times = (seen.get(type) ?? 0) + 1;
    seen.set(type, times);
    if (type === CHUNK_CATALOG) return [{ type, payload: json(CLUSTER) }];
    if (type === CHUNK_BATCH) return times > 2 ? [] : [{ type, payload: payload.subarray(0, 700) }];
    const wanted = [CHUNK_TICK, CHUNK_WINDOW, CHUNK_COUNTS, CHUNK_SYMBOLS, CHUNK_FOOTER];
    return wanted.includes(type) && times <= 4 ? [{ type, payload }] : [];
  });
  return new Uint8Array(
    Buffer.concat([
      Buffer.from(MAGIC, 'latin1'),
      ...[{ type: CHUNK_HEADER_TYPE, payload: json(header) }, ...chunks].flatMap((chunk) => [
        new Uint8Array(Uint32Array.of(chunk.type, chunk.payload.length).buffer),
        chunk.payload,
      ]),
    ]),
  );
}

/** A whole one, and such as have one of each kind: most of what goes wrong is in those too. */
function catalogs(): Uint8Array[] {
  const small = [0, 1, 2, 3].map((at) => ({
    ...CLUSTER,
    namespaces: CLUSTER.namespaces.slice(at, at + 1),
    endpoints: CLUSTER.endpoints.slice(at, at + 1),
    services: CLUSTER.services.slice(at, at + 1),
    chains: CLUSTER.chains.slice(at, at + 1),
    dropReasons: CLUSTER.dropReasons.slice(at, at + 1),
  }));
  return [CLUSTER, ...small].map((catalog) => text(JSON.stringify(catalog)));
}

/** A few lines of each listing that the readers' own tests have. */
function rulesNetlink(): Uint8Array[] {
  const chains = [chain('FORWARD', [2, 0]), chain('X', null)];
  const written = WRITTEN.map(([bytes]) => bytes);
  return [new Uint8Array(Buffer.concat([...chains, ...written])), ...chains, ...written];
}

function rules(): Uint8Array[] {
  const folder = join(cwd(), 'test', 'name', 'rules');
  const listings = readdirSync(folder)
    .sort()
    .flatMap((file) => {
      const lines = readFileSync(join(folder, file), 'utf8').split('\n');
      return [0, 1, 2].map((part) =>
        lines.slice(part * RULE_LINES * 3, part * RULE_LINES * 3 + RULE_LINES).join('\n'),
      );
    });
  const chain = { family: 'inet', table: 'filter', name: 'INPUT', handle: 1 };
  const chains = [
    ...[{ metainfo: { version: '1.0' } }, { chain: { ...chain, hook: 'input', prio: 0 } }],
    ...[{ chain: { ...chain, family: 'ip', hook: 'forward', prio: -150 } }, { chain }],
  ];
  const map = [
    'table ip kube-proxy {',
    '\tmap service-ips {',
    '\t\telements = { 10.96.0.1 . tcp . 443 : goto service-ULMVA6XW-default/kubernetes/tcp/https }',
    '\t}',
    '\tmap service-nodeports {',
    '\t\telements = { tcp . 30080 : goto external-4AT6LBPK-default/nginx/tcp/http }',
    '\t}',
    '}',
  ];
  const others = [JSON.stringify({ nftables: chains }), map.join('\n'), 'nat\nfilter\nmangle\n'];
  return [...listings, ...others].filter((listing) => listing.trim() !== '').map(text);
}

const CLIENT_MESSAGES: readonly object[] = [
  { type: 'subscribe', id: flowId(1) },
  { type: 'subscribe', id: 'f'.repeat(128) },
  { type: 'unsubscribe', id: flowId(1) },
  { type: 'pause', paused: true },
  { type: 'pause', paused: false },
  { type: 'filter', text: '' },
  { type: 'filter', text: 'src:10.244.*' },
  { type: 'filter', text: '-port:8080 (nginx OR encap:vxlan) p99>1ms' },
];

const HOST = 'Host: hopscope.test\r\n';
const UPGRADE =
  'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
const REQUESTS: readonly string[] = [
  ...[
    ...['/', '/healthz', '/metrics', '/api/quality', '/api/namespaces', '/assets/index.js'],
    ...['/api/flows', '/api/flows?limit=3', '/api/flows?limit=2&cursor=9.0000000000001001'],
    ...['/api/flows?q=port:40003+or+p99>1ms&limit=2', '/api/flows?sort=-p99&limit=3', '/api/mtu'],
    ...[`/api/flows/${flowId(1)}`, '/api/flows/none', '/../etc/passwd', 'http://hopscope.test/'],
  ].map((path) => `GET ${path} HTTP/1.1\r\n${HOST}\r\n`),
  `HEAD /metrics HTTP/1.1\r\n${HOST}\r\n`,
  `GET /assets/index.js HTTP/1.1\r\n${HOST}If-None-Match: "x"\r\n\r\n`,
  `POST /api/flows HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`,
  `PUT / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
  `GET /healthz HTTP/1.1\r\n${HOST}Origin: http://hopscope.test\r\n\r\n`,
  'GET /healthz HTTP/1.1\r\nHost: elsewhere\r\nOrigin: https://elsewhere\r\n\r\n',
  `GET /ws HTTP/1.1\r\n${HOST}${UPGRADE}\r\n`,
  `GET /ws HTTP/1.1\r\n${HOST}${UPGRADE}Origin: null\r\n\r\n`,
  'GET /healthz HTTP/1.0\r\n\r\n',
  `GET /healthz HTTP/1.1\r\n${HOST}\r\nGET /api/flows HTTP/1.1\r\n${HOST}\r\n`,
];

const EXPRESSIONS: readonly string[] = [
  ...['', 'tcp', 'icmp or icmp6', 'host 10.244.146.205', 'not port 22', 'udp port 4789'],
  ...['tcp[tcpflags] & (tcp-syn|tcp-fin) != 0', 'ip6 net fd00::/8', 'vlan 5 and arp'],
  ...['ip[6:2] & 0x1fff = 0 and greater 100', 'src net 10.0.0.0/8 and dst portrange 80-90'],
  ...['ether host 02:00:00:00:00:01', 'ip6 protochain 17', 'len % 7 = len / 3 + 1', 'geneve'],
  ...['(tcp or udp) and not (src host 10.0.0.1 or dst host 10.0.0.2)', 'ip[0] & 0xf << 2 > 20'],
];

function programs(expression: string): Uint8Array[] {
  return (['ethernet', 'raw'] as const).flatMap((linkType) => {
    let instructions: ReturnType<typeof compilePacketFilter>;
    try {
      instructions = compilePacketFilter(expression, { linkType });
    } catch {
      // It has no meaning on that link.
      return [];
    }
    const bytes = new Uint8Array(8 * instructions.length);
    const view = new DataView(bytes.buffer);
    for (const [index, { code, jt, jf, k }] of instructions.entries()) {
      view.setUint16(8 * index, code, true);
      view.setUint8(8 * index + 2, jt);
      view.setUint8(8 * index + 3, jf);
      view.setUint32(8 * index + 4, k, true);
    }
    return [bytes];
  });
}

const COLLECTOR_MESSAGES: readonly object[] = [
  { type: 'listening', url: 'http://127.0.0.1:7677', port: 7677 },
  { type: 'failed', code: 'address-in-use', message: 'it is taken' },
  { type: 'watch', watching: true },
  { type: 'watch', watching: false },
  { type: 'ask', number: 1, question: { about: 'namespaces' } },
  { type: 'ask', number: 2, question: { about: 'flow', id: flowId(1), have: ['a', 'b'] } },
  { type: 'ask', number: 3, question: { about: 'flows', from: null, limit: 8, filter: '' } },
  {
    type: 'ask',
    number: 4,
    question: { about: 'flows', from: { before: 9, id: flowId(2) }, limit: 1, filter: 'port:1' },
  },
  {
    type: 'ask',
    number: 5,
    question: {
      about: 'first',
      filter: 'p99>1ms',
      order: { column: 'last', descending: true },
      limit: 3,
    },
  },
  { type: 'ask', number: 6, question: { about: 'records', ids: [flowId(1), flowId(2)] } },
];

/** Batches of rows as the collector makes them; the last one has removals. */
function rows(): Uint8Array[] {
  const loaded = new LoadedCollector();
  const feed = new RowFeed(loaded.pipeline.flows, { rows: 8 });
  loaded.change([1, 2, 3]);
  feed.restart();
  return [[], [4, 5, 6, 7, 8, 9, 10], [1, 2]].map((flows) => {
    loaded.change(flows);
    return Uint8Array.from(feed.batch(1_000 + flows.length));
  });
}

function serverMessages(): object[] {
  const id = flowId(1);
  const feed = new FixtureFeed();
  // Of what repeats itself a little is enough.
  const whole = serviceFlow(id, 3);
  const flow = { ...whole, legs: whole.legs.slice(0, 2) };
  const short = (path: PathRecord): PathRecord => ({ ...path, hops: path.hops.slice(4, 6) });
  const rate = { packetsPerSecond: 1.5, bytesPerSecond: null };
  const row = flowRow(flow);
  const sampling = {
    ...{ mode: 'auto', sees: 'new-flows', detail: 'edges', traced: '1', of: null, budget: 0.1 },
    ...{ cost: null, windows: { opened: 1, requested: 0, crowded: 0 } },
  };
  return [
    {
      ...{ type: 'hello', protocol: 1, version: '0', run: 'x', node: 'n', kernel: '6' },
      ...{ mode: 'live', description: 'd', missing: ['nothing'] },
    },
    {
      ...{ type: 'flows', reset: true, rows: [row, flowRow(droppedFlow(flowId(2), 2))] },
      ...{ removed: [flowId(3)], total: 2, behind: 0, now: '1' },
    },
    {
      ...{ type: 'flow', id, flow, rates: { original: rate, reply: rate }, chain: [row] },
      ...{
        pathIds: ['a'],
        paths: [servicePath(id, 1, 'reply', 1), droppedPath(id, 2, 3)].map(short),
      },
      now: '2',
    },
    { type: 'flow', id, flow: null, rates: null, chain: [], pathIds: [], paths: [], now: '3' },
    { type: 'quality', quality: { ...feed.quality(), sampling }, clients: 1 },
    { type: 'error', code: 'bad-field', message: 'a message' },
  ];
}
