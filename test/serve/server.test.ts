import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CLIENT_MESSAGE_LIMIT,
  FILTER_TEXT_LIMIT,
  PATHS_PER_FLOW,
  PATHS_PER_MESSAGE,
  ROWS_PER_MESSAGE,
  SUBSCRIPTION_LIMIT,
} from 'hopscope-protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import {
  API_REQUEST_LIMIT,
  CLIENT_LIMIT,
  CONNECTION_LIMIT,
  MESSAGE_RATE_LIMIT,
  SEND_BUFFER_LIMIT,
} from '../../src/serve/limits.js';
import { type RunningServer, type ServerOptions, startServer } from '../../src/serve/server.js';
import { FixtureCollector } from './fixture-collector.js';
import { FixtureFeed, serviceFlow, servicePath } from './fixture-feed.js';
import { SocketClient } from './socket-client.js';

const INFO = {
  version: '0.1.0',
  node: 'node111',
  kernel: '6.18.0',
  mode: 'live' as const,
  description: 'a test',
  missing: ['nothing'],
};

// Ticks are a second apart, and the machine may be busy.
vi.setConfig({ testTimeout: 30_000 });

let feed: FixtureFeed;
let collector: FixtureCollector;
let directory: string;
let server: RunningServer;
let clients: SocketClient[];

async function start(options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  return startServer({
    collector,
    uiDirectory: directory,
    info: INFO,
    run: 'a run',
    port: 0,
    ...options,
  });
}

beforeEach(async () => {
  feed = new FixtureFeed();
  collector = new FixtureCollector(feed);
  clients = [];
  directory = await mkdtemp(join(tmpdir(), 'hopscope-serve-'));
  await mkdir(join(directory, 'assets'));
  await writeFile(join(directory, 'index.html'), '<!doctype html><title>built</title>');
  await writeFile(join(directory, 'assets', 'index-abc.js'), 'export {};');
  server = await start();
});

afterEach(async () => {
  for (const client of clients) client.socket.terminate();
  await server.close();
  await rm(directory, { recursive: true });
});

async function open(headers?: Record<string, string>): Promise<SocketClient> {
  const client = await SocketClient.open(server.url, headers);
  clients.push(client);
  return client;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** fetch() sends no Host header of one's choice and tidies paths; this sends what it is given. */
async function get(
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  const sent = request({ host: '127.0.0.1', port: server.port, path, headers, method });
  sent.end();
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

/** Status and body of an upgrade that is refused. */
async function refusedUpgrade(
  path: string,
  headers: Record<string, string>,
): Promise<{ status: number; code: unknown }> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, { headers });
  socket.on('error', () => undefined);
  const [, response] = (await once(socket, 'unexpected-response')) as [
    unknown,
    import('node:http').IncomingMessage,
  ];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  const { code } = JSON.parse(body) as { code?: unknown };
  return { status: response.statusCode ?? 0, code };
}

describe('who is let in', () => {
  test('loopback by each of its names', async () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]', 'LOCALHOST']) {
      const answer = await get('/healthz', { host: `${host}:${server.port}` });
      expect([host, answer.status]).toEqual([host, 200]);
    }
  });

  test.each([
    'evil.example',
    'evil.example:7677',
    'localhost',
    'localhost:1',
    'localhost.evil.example:7677',
    '127.0.0.1@evil.example',
  ])('not the host name %j', async (host) => {
    const answer = await get('/api/flows', { host });
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'foreign-host' });
  });

  test('not a request without a host name', async () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /api/flows HTTP/1.0\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(/^HTTP\/1\.1 403 /);
    expect(text).toContain('foreign-host');
  });

  test('no page of another origin', async () => {
    for (const origin of ['http://evil.example', 'null', `http://localhost:${server.port + 1}`]) {
      const answer = await get('/api/flows', { origin });
      expect(answer.status).toBe(403);
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'foreign-origin' });
      expect(await refusedUpgrade('/ws', { origin })).toEqual({
        status: 403,
        code: 'foreign-origin',
      });
    }
    expect(await refusedUpgrade('/ws', { host: 'evil.example' })).toEqual({
      status: 403,
      code: 'foreign-host',
    });
    expect(server.counters.refusedRequests.get('foreign-origin')).toBe(6);
    expect(server.counters.refusedRequests.get('foreign-host')).toBe(1);
  });

  test('its own page', async () => {
    const client = await open({ origin: `http://localhost:${server.port}` });
    expect(await client.next('hello')).toMatchObject({ node: 'node111', protocol: 1 });
  });

  test('names that were allowed, with and without a port', async () => {
    await server.close();
    server = await start({ allowHosts: ['dash.example', 'other.example:8443'] });
    const status = async (host: string): Promise<number> =>
      (await get('/healthz', { host })).status;
    expect(await status('dash.example')).toBe(200);
    expect(await status('dash.example:9999')).toBe(200);
    expect(await status('other.example:8443')).toBe(200);
    expect(await status('other.example:8444')).toBe(403);
    expect(await status('third.example')).toBe(403);
  });
});

describe('what is served', () => {
  test('the dashboard, with types, caching and a policy against foreign scripts', async () => {
    const page = await get('/');
    expect(page.status).toBe(200);
    expect(page.body).toContain('<title>built');
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.headers['cache-control']).toBe('no-cache');
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(page.headers['x-content-type-options']).toBe('nosniff');

    const script = await get('/assets/index-abc.js');
    expect(script.headers['content-type']).toBe('text/javascript; charset=utf-8');
    expect(script.headers['cache-control']).toContain('immutable');
    const again = await get('/', { 'if-none-match': String(page.headers['etag']) });
    expect([again.status, again.body]).toEqual([304, '']);
    const head = await get('/', {}, 'HEAD');
    expect([head.status, head.body]).toEqual([200, '']);
  });

  test('no file outside of it', async () => {
    await writeFile(join(directory, '..', 'hopscope-secret.txt'), 'secret');
    for (const path of [
      '/../hopscope-secret.txt',
      '/assets/../../hopscope-secret.txt',
      '/%2e%2e/hopscope-secret.txt',
      '/..%2fhopscope-secret.txt',
      '//etc/passwd',
    ]) {
      const answer = await get(path);
      expect([path, answer.status]).toEqual([path, 404]);
    }
    await rm(join(directory, '..', 'hopscope-secret.txt'));
  });

  test('a page that shows what to do when the dashboard was not built', async () => {
    await server.close();
    server = await start({ uiDirectory: join(directory, 'missing') });
    const page = await get('/');
    expect(page.status).toBe(503);
    expect(page.body).toContain('npm run build');
    expect((await get('/healthz')).status).toBe(200);
  });

  test('nothing but GET and HEAD', async () => {
    const answer = await get('/api/flows', {}, 'POST');
    expect(answer.status).toBe(405);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'method-not-allowed' });
  });

  test('flows as JSON, the newest first when there is a limit', async () => {
    feed.put(serviceFlow('a', 1), servicePath('a', 1, 'original', 38_610));
    feed.put(serviceFlow('b', 9));
    const all = JSON.parse((await get('/api/flows')).body) as { flows: unknown[]; total: number };
    expect([all.flows.length, all.total]).toEqual([2, 2]);
    const first = JSON.parse((await get('/api/flows?limit=1')).body) as { next: string };
    expect(first).toMatchObject({ flows: [{ id: 'b' }], total: 2 });
    const rest = JSON.parse((await get(`/api/flows?limit=1&cursor=${first.next}`)).body) as unknown;
    expect(rest).toMatchObject({ flows: [{ id: 'a' }], total: 2, next: null });
    for (const cursor of ['', 'x', '1', '.a', '1.', '99999999999999999.a', '1.%2f']) {
      expect((await get(`/api/flows?cursor=${cursor}`)).status).toBe(400);
    }
    for (const limit of ['0', '-1', 'x', '10001', '1e3']) {
      expect((await get(`/api/flows?limit=${limit}`)).status).toBe(400);
    }
    expect(JSON.parse((await get('/api/flows/a')).body)).toMatchObject({
      flow: { type: 'flow', id: 'a' },
      paths: [{ type: 'path', id: 'a-original-1' }],
    });
    for (const path of ['/api/flows/none', '/api/flows/', '/api/flows/%ff']) {
      expect((await get(path)).status).toBe(404);
    }
  });

  test('flows that match a filter, and the first of an order', async () => {
    for (let index = 0; index < 30; index++)
      feed.put(serviceFlow(`f${index}`, index, 9_000 + index));
    const asked = async (query: Record<string, string>) => {
      const answer = await get(`/api/flows?${new URLSearchParams(query)}`);
      const { flows = [], ...end } = JSON.parse(answer.body) as { flows?: { id: string }[] };
      return { status: answer.status, ids: flows.map(({ id }) => id), ...end };
    };
    expect(await asked({ q: 'port:9003 or port:9007' })).toEqual({
      ...{ status: 200, ids: ['f7', 'f3'], total: 30, next: null },
    });
    expect(await asked({ q: 'port:1' })).toMatchObject({ ids: [], next: null });
    expect(await asked({ sort: '-last', limit: '3' })).toEqual({
      ...{ status: 200, ids: ['f29', 'f28', 'f27'], looked: 30, total: 30, next: null },
      isWhole: true,
    });
    const all = await asked({ q: 'port>=9010', sort: 'last' });
    expect(all.ids).toEqual(Array.from({ length: 20 }, (_, index) => `f${10 + index}`));
    expect(await asked({ q: 'port:1', sort: 'last' })).toMatchObject({ ids: [], isWhole: true });
    const refused: [Record<string, string>, string][] = [
      [{ q: 'prt:1' }, 'bad-filter'],
      [{ q: 'x'.repeat(1_025) }, 'bad-filter'],
      [{ sort: 'pps' }, 'bad-sort'],
      [{ sort: '-' }, 'bad-sort'],
      [{ sort: 'last', limit: '1001' }, 'bad-limit'],
      [{ sort: 'last', cursor: '1.a' }, 'bad-cursor'],
      [{ filter: 'port:1' }, 'unknown-parameter'],
    ];
    for (const [query, code] of refused) {
      expect(await asked(query), JSON.stringify(query)).toMatchObject({ status: 400, code });
    }
  });

  test('a page of flows is asked for in parts, and no more than it holds', async () => {
    for (let index = 0; index < 100; index++) feed.put(serviceFlow(`f${index}`, 1));
    const asked = collector.asked;
    await get('/api/flows?limit=1');
    expect(collector.asked - asked).toBe(1);
    const ids: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const page = JSON.parse((await get(`/api/flows?limit=30${query}`)).body) as {
        flows: { id: string }[];
        next: string | null;
      };
      ids.push(...page.flows.map(({ id }) => id));
      cursor = page.next;
    }
    expect(ids).toEqual(Array.from({ length: 100 }, (_, index) => `f${99 - index}`));
    // 30, 30, 30 and 10 of them, RECORDS_PER_ANSWER at a time.
    expect(collector.asked - asked - 1).toBe(4 + 4 + 4 + 2);
  });

  test('a flow comes with all its newest paths', async () => {
    const paths = Array.from({ length: PATHS_PER_FLOW + 5 }, (_, index) =>
      servicePath('a', index, 'original', 38_610),
    );
    feed.put(serviceFlow('a', 1), ...paths.reverse());
    const { body } = await get('/api/flows/a');
    const found = JSON.parse(body) as { paths: { id: string }[] };
    expect(found.paths.map(({ id }) => id)).toEqual(
      paths.slice(0, PATHS_PER_FLOW).map(({ id }) => id),
    );
  });

  test.each(['http://[/', 'http://a:b/', '//'])('no path: %j is a bad request', async (path) => {
    const answer = await get(path);
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([400, { code: 'bad-url' }]);
  });

  test('one request too many for the collector is refused until another is answered', async () => {
    collector.held = [];
    const waiting = Array.from({ length: API_REQUEST_LIMIT }, () => get('/api/flows'));
    await expect.poll(() => collector.held?.length).toBe(API_REQUEST_LIMIT);
    const refused = await get('/api/flows');
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'too-many-requests' });
    // What needs no collector goes on.
    expect((await get('/metrics')).status).toBe(200);
    for (const answer of collector.held.splice(0)) answer();
    collector.held = null;
    for (const { status } of await Promise.all(waiting)) expect(status).toBe(200);
    expect((await get('/api/flows')).status).toBe(200);
  });

  test('metrics in the text format', async () => {
    feed.put(serviceFlow('a', 1));
    await get('/healthz', { host: 'evil.example' });
    const { body, headers } = await get('/metrics');
    expect(headers['content-type']).toContain('version=0.0.4');
    expect(body).toContain('# TYPE hopscope_events_total counter\nhopscope_events_total 56789\n');
    expect(body).toContain('hopscope_malformed_total{code="truncated"} 2\n');
    expect(body).toContain('hopscope_requests_refused_total{code="foreign-host"} 1\n');
    expect(body).toContain('hopscope_flows 1\n');
    // One cause a line, not a sum of unlike things.
    expect(body).toContain('hopscope_lost_total{cause="flows-evicted"} 7\n');
    expect(body).toContain('hopscope_lost_total{cause="clients-slow"} 0\n');
    expect(body).toContain('hopscope_resident_memory_bytes{process="collector"} 1000000\n');
    expect(body).toMatch(/hopscope_resident_memory_bytes\{process="server"\} \d{7,}\n/);
    expect(body).toContain(
      'hopscope_event_loop_delay_seconds{process="collector",quantile="0.99"} 0.002\n',
    );
    expect(body).toContain('hopscope_server_restarts_total 3\n');
    expect(body).toContain('hopscope_log_lines_lost_total 5\n');
    for (const line of body.trimEnd().split('\n')) {
      expect(line).toMatch(
        /^(# (HELP|TYPE) hopscope_\w+ .+|hopscope_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [\d.]+)$/,
      );
    }
  });

  test('a port that is taken is an error with a code', async () => {
    await expect(start({ port: server.port })).rejects.toMatchObject({ code: 'address-in-use' });
    await expect(start({ host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'address-not-available',
    });
  });
});

describe('the stream', () => {
  test('sends who it is, then the table, then what changes', async () => {
    feed.put(serviceFlow('a', 1));
    const client = await open();
    expect(client.messages.length).toBeGreaterThanOrEqual(0);
    const hello = await client.next('hello');
    expect(hello).toMatchObject({ version: '0.1.0', mode: 'live', missing: ['nothing'] });
    const first = await client.next('flows');
    expect(first).toMatchObject({ reset: true, total: 1, removed: [], behind: 0 });
    expect(first.rows).toMatchObject([
      {
        id: 'a',
        srcName: 'pod1',
        dst: { address: '10.107.161.255', port: 8080 },
        dnat: { address: '10.244.146.205', port: 80 },
        snat: null,
        service: 'default/nginx-service',
        verdict: 'delivered',
        encapsulation: [{ type: 'vxlan', overhead: 50 }],
        packetsPerSecond: null,
        p50: 28_100,
        p99: 31_900,
      },
    ]);
    feed.put(serviceFlow('a', 11));
    const next = await client.next('flows', ({ rows }) => rows[0]?.packets === '22');
    expect(next.reset).toBe(false);
    // Rates are over a second or so.
    const measured = await client.next('flows', ({ rows }) => (rows[0]?.packetsPerSecond ?? 0) > 0);
    expect(measured.rows[0]?.packetsPerSecond).toBeGreaterThan(10);
    expect(measured.rows[0]?.packetsPerSecond).toBeLessThan(40);
    // Nothing more was sent: the rate falls to nought by itself.
    const from = client.messages.indexOf(measured);
    await client.next('flows', ({ rows }) => rows[0]?.packetsPerSecond === 0, from);
    feed.remove('a');
    await client.next('flows', ({ removed }) => removed.includes('a'));
    expect(await client.next('quality')).toMatchObject({ clients: 1, quality: { skipped: '0' } });
  });

  test('a followed flow comes with new paths only', async () => {
    const path = (index: number) => servicePath('a', index, 'original', 38_610);
    const indexes = Array.from({ length: PATHS_PER_FLOW + 10 }, (_, index) => index);
    feed.put(serviceFlow('a', 1), ...indexes.map(path).reverse());
    const client = await open();
    client.send({ type: 'subscribe', id: 'a' });
    const first = await client.next('flow');
    expect(first.flow?.id).toBe('a');
    expect(first.paths).toHaveLength(PATHS_PER_MESSAGE);
    expect(first.paths[0]?.id).toBe(`a-original-${PATHS_PER_FLOW + 9}`);
    const sent = new Set(first.paths.map(({ id }) => id));
    const full = await client.next('flow', ({ pathIds, paths }) => {
      for (const { id } of paths) sent.add(id);
      return pathIds.length === PATHS_PER_FLOW;
    });
    expect(full.pathIds.every((id) => sent.has(id))).toBe(true);
    expect(sent.size).toBe(PATHS_PER_FLOW);
    const from = client.messages.length;
    feed.put(serviceFlow('a', 2), path(99));
    const next = await client.next('flow', ({ paths }) => paths.length > 0, from);
    expect(next.paths.map(({ id }) => id)).toEqual(['a-original-99']);
    feed.remove('a');
    await client.next('flow', ({ flow }) => flow === null, from);
    client.send({ type: 'unsubscribe', id: 'a' });
    await client.next('quality', () => true, client.messages.length);
    const after = client.messages.length;
    await client.next('quality', () => true, after);
    expect(client.messages.slice(after).some(({ type }) => type === 'flow')).toBe(false);
  });

  test('a filter leaves the rows that match, and drops one that no longer does', async () => {
    feed.put(serviceFlow('a', 1));
    feed.put({ ...serviceFlow('b', 1), state: 'closed' });
    const client = await open();
    await client.next('flows', ({ rows }) => rows.length === 2);
    const from = client.messages.length;
    client.send({ type: 'filter', text: 'state:closed' });
    const matching = await client.next('flows', ({ reset }) => reset, from);
    expect(matching.rows.map(({ id }) => id)).toEqual(['b']);
    expect(matching.total).toBe(2);
    feed.put(serviceFlow('b', 2));
    await client.next('flows', ({ removed }) => removed.includes('b'), from);
  });

  test('paused, it says nothing of flows until resumed', async () => {
    const client = await open();
    await client.next('flows');
    client.send({ type: 'pause', paused: true });
    await client.next('quality');
    const from = client.messages.length;
    feed.put(serviceFlow('a', 1));
    await client.next('quality', () => true, from);
    expect(client.messages.slice(from).some(({ type }) => type === 'flows')).toBe(false);
    client.send({ type: 'pause', paused: false });
    await client.next('flows', ({ rows }) => rows.some(({ id }) => id === 'a'), from);
  });

  test('more changes than fit a message follow at the next ticks', async () => {
    const count = ROWS_PER_MESSAGE + 1;
    for (let index = 0; index < count; index++) feed.put(serviceFlow(`f${index}`, 1));
    const client = await open();
    const first = await client.next('flows');
    expect([first.rows.length, first.behind]).toEqual([ROWS_PER_MESSAGE, 1]);
    expect(server.counters.rowsDelayed).toBeGreaterThanOrEqual(1);
    await client.next('flows', ({ behind }) => behind === 0);
    const sent = client.messages.flatMap((message) =>
      message.type === 'flows' ? message.rows.map(({ id }) => id) : [],
    );
    expect(new Set(sent).size).toBe(count);
  });
});

describe('bad clients', () => {
  test.each([
    ['not JSON', '{', 'not-json'],
    ['no object', '7', 'no-type'],
    ['no type', '{}', 'no-type'],
    ['an unknown type', '{"type":"launch"}', 'unknown-type'],
    ['a name every object has', '{"type":"constructor"}', 'unknown-type'],
    ['no id', '{"type":"subscribe"}', 'bad-field'],
    ['an empty id', '{"type":"subscribe","id":""}', 'bad-field'],
    ['a long id', JSON.stringify({ type: 'subscribe', id: 'x'.repeat(129) }), 'bad-field'],
    ['a wrong flag', '{"type":"pause","paused":"yes"}', 'bad-field'],
    ['no text', '{"type":"filter","text":{}}', 'bad-field'],
    [
      'a filter that is too long',
      JSON.stringify({ type: 'filter', text: 'x'.repeat(FILTER_TEXT_LIMIT + 1) }),
      'bad-field',
    ],
    ['one condition too many', `{"type":"filter","text":"${'x '.repeat(33)}"}`, 'too-long'],
    ['an unknown field', '{"type":"filter","text":"constructor:x"}', 'unknown-field'],
  ])('%s gets an error and stops nothing', async (_name, text, code) => {
    const client = await open();
    client.socket.send(text);
    expect(await client.next('error')).toMatchObject({ code });
    expect(server.counters.badMessages.get(code)).toBe(1);
    feed.put(serviceFlow('a', 1));
    client.send({ type: 'subscribe', id: 'a' });
    expect((await client.next('flow')).flow?.id).toBe('a');
  });

  test('binary messages are refused', async () => {
    const client = await open();
    client.socket.send(Buffer.from('{"type":"pause","paused":true}'));
    expect(await client.next('error')).toMatchObject({ code: 'binary' });
  });

  test('a message at the size limit is read, one past it ends the connection', async () => {
    const client = await open();
    client.socket.send(' '.repeat(CLIENT_MESSAGE_LIMIT));
    expect(await client.next('error')).toMatchObject({ code: 'not-json' });
    client.socket.send(' '.repeat(CLIENT_MESSAGE_LIMIT + 1));
    const [code] = (await once(client.socket, 'close')) as [number];
    expect(code).toBe(1009);
    expect((await get('/healthz')).status).toBe(200);
  });

  test('a frame that breaks the protocol ends that connection only', async () => {
    const other = await open();
    const client = await open();
    await client.next('hello');
    // Reserved bits set, which no extension was agreed for (RFC 6455, section 5.2).
    const raw = (client.socket as unknown as { _socket: import('node:net').Socket })._socket;
    raw.write(Buffer.from([0xf1, 0x80, 0, 0, 0, 0]));
    await once(client.socket, 'close');
    await other.next('quality', () => true, other.messages.length);
  });

  test('one subscription too many is refused, the others go on', async () => {
    const client = await open();
    for (let index = 0; index <= SUBSCRIPTION_LIMIT; index++) {
      client.send({ type: 'subscribe', id: `flow${index}` });
    }
    expect(await client.next('error')).toMatchObject({ code: 'too-many-subscriptions' });
    await client.next('flow', ({ id }) => id === `flow${SUBSCRIPTION_LIMIT - 1}`);
    const sent = client.messages.filter(({ type }) => type === 'flow');
    expect(sent).toHaveLength(SUBSCRIPTION_LIMIT);
    client.send({ type: 'unsubscribe', id: 'flow0' });
    client.send({ type: 'subscribe', id: 'late' });
    await client.next('flow', ({ id }) => id === 'late');
  });

  test('messages past the rate are ignored and answered once', async () => {
    const client = await open();
    await client.next('hello');
    for (let index = 0; index < MESSAGE_RATE_LIMIT + 20; index++) client.socket.send('{');
    await client.next('error', ({ code }) => code === 'too-many-messages');
    await client.next('quality', () => true, client.messages.length);
    const errors = client.messages.filter((message) => message.type === 'error');
    expect(errors.filter(({ code }) => code === 'not-json')).toHaveLength(MESSAGE_RATE_LIMIT);
    expect(errors.filter(({ code }) => code === 'too-many-messages')).toHaveLength(1);
    expect(server.counters.badMessages.get('too-many-messages')).toBe(20);
  });

  test('one client too many is refused until another leaves', async () => {
    for (let index = 0; index < CLIENT_LIMIT; index++) await open();
    expect(await refusedUpgrade('/ws', {})).toEqual({ status: 503, code: 'too-many-clients' });
    expect(server.counters.clientsRefused).toBe(1);
    const { body } = await get('/metrics');
    expect(body).toContain('hopscope_clients_refused_total 1\n');
    expect(body).toContain('hopscope_requests_refused_total{code="too-many-clients"} 1\n');
    expect(body).toContain('hopscope_connections_refused_total 0\n');
    await clients[0]?.close();
    await expect
      .poll(async () => (await SocketClient.open(server.url)).close().then(() => true))
      .toBe(true);
  });

  test('idle connections shut nobody out: the longest idle one is closed', async () => {
    const idle = Array.from({ length: CONNECTION_LIMIT }, () => connect(server.port, '127.0.0.1'));
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    const closed = once(idle[0] as import('node:net').Socket, 'close');
    expect((await get('/healthz')).status).toBe(200);
    await closed;
    expect(server.counters.connectionsIdle).toBeGreaterThanOrEqual(1);
    const { body } = await get('/metrics');
    expect(body).toMatch(/^hopscope_connections_idle_total [1-9]\d*$/m);
    expect(server.counters.connectionsRefused).toBe(0);
    for (const socket of idle) socket.destroy();
  });

  test.each([
    ['no HTTP', 'hello\r\n\r\n', 400, 'not-http'],
    [
      'too much of it',
      `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers-too-large',
    ],
    [
      'an upgrade without its key',
      'GET /ws HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      400,
      'bad-upgrade',
    ],
  ])('%s is answered and counted', async (_name, text, status, code) => {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(text.replace('PORT', String(server.port)));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    await once(socket, 'close');
    expect([...server.counters.refusedRequests]).toEqual([[code, 1]]);
  });

  test('clients that ask and do not read cost no memory, and shut nobody out', async () => {
    const large = serviceFlow('large', 1);
    const legs = Array.from({ length: 40 }, () => large.legs).flat();
    for (let index = 0; index < 400; index++) {
      feed.put({ ...large, id: `f${index}`, legs });
    }
    const before = process.memoryUsage();
    const sockets = Array.from({ length: 60 }, () => connect(server.port, '127.0.0.1').pause());
    for (const socket of sockets) {
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      const head = `GET /api/flows HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`;
      // Many requests at once on one connection wait in the kernel, not here.
      socket.write(head.repeat(20));
    }
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const after = process.memoryUsage();
    // 400 flows of 300 KB for each of 1200 requests would be 140 GB.
    expect(after.rss - before.rss).toBeLessThan(200 << 20);
    expect((await get('/metrics')).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await expect.poll(async () => (await get('/api/flows?limit=1')).status).toBe(200);
  });

  test('filters sent faster than ticks are applied once a tick, the last one', async () => {
    feed.put(serviceFlow('a', 1));
    feed.put({ ...serviceFlow('b', 1), state: 'closed' });
    const client = await open();
    await client.next('flows', ({ rows }) => rows.length === 2);
    const from = client.messages.length;
    for (let index = 0; index < MESSAGE_RATE_LIMIT - 5; index++) {
      const last = index === MESSAGE_RATE_LIMIT - 6;
      client.send({ type: 'filter', text: last ? 'state:closed' : `none${index}` });
    }
    await client.next('flows', ({ rows }) => rows.some(({ id }) => id === 'b'), from);
    await client.next('quality', () => true, client.messages.length);
    const resets = client.messages
      .slice(from)
      .filter((message) => message.type === 'flows' && message.reset);
    expect(resets.length).toBeLessThan(4);
  });

  test('there is no WebSocket elsewhere', async () => {
    expect(await refusedUpgrade('/other', {})).toEqual({ status: 404, code: 'not-found' });
  });

  test('a client that does not read is sent less, costs bounded memory and harms nobody', async () => {
    const rows = ROWS_PER_MESSAGE;
    const change = (packets: number): void => {
      for (let index = 0; index < rows; index++) feed.put(serviceFlow(`f${index}`, packets));
    };
    change(1);
    const slow = connect(server.port, '127.0.0.1');
    await once(slow, 'connect');
    slow.write(
      `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: Upgrade\r\n` +
        'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    slow.pause();
    // 60 messages of 700 KB would be 42 MB; the kernel's socket buffers take some 6 MB.
    for (let index = 0; index < 60 && server.counters.skipped < 1; index++) {
      slow.write(maskedText(JSON.stringify({ type: 'filter', text: '' })));
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    expect(server.counters.skipped).toBeGreaterThan(0);
    const before = process.memoryUsage();
    const skipped = server.counters.skipped;

    const reader = await open();
    for (let packets = 2; packets < 6; packets++) {
      change(packets);
      const wanted = String(2 * packets);
      await reader.next('flows', (message) => message.rows.some((row) => row.packets === wanted));
      for (let index = 0; index < 20; index++) {
        slow.write(maskedText(JSON.stringify({ type: 'filter', text: '' })));
      }
    }
    expect(server.counters.skipped).toBeGreaterThan(skipped);
    const quality = await reader.next('quality', (message) => message.quality.skipped !== '0');
    expect(Number(quality.quality.skipped)).toBeGreaterThan(0);
    // 80 answers of 700 KB were asked for: what was not skipped waits, the rest was never made.
    const { external, arrayBuffers } = process.memoryUsage();
    expect(external - before.external).toBeLessThan(6 * SEND_BUFFER_LIMIT);
    expect(arrayBuffers - before.arrayBuffers).toBeLessThan(6 * SEND_BUFFER_LIMIT);
    slow.destroy();
  });

  test('one that reads again gets the newest state, not what it missed', async () => {
    feed.put(serviceFlow('a', 1));
    const client = await open();
    await client.next('flows');
    client.socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 100));
    feed.put(serviceFlow('a', 5));
    client.socket.resume();
    const message = await client.next('flows', ({ rows }) => rows[0]?.packets === '10');
    expect(message.rows).toHaveLength(1);
  });
});

/** A client's text frame (RFC 6455, section 5.2) with a mask of nought. */
function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  if (payload.length > 125) throw new RangeError('only short frames');
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
