import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PIPELINE_LIMIT } from '../../src/serve/limits.js';
import { ServerProcess } from '../../src/serve/server-process.js';
import { LoadedCollector } from './loaded-collector.js';
import { serverOptions } from './server-options.js';
import { SocketClient } from './socket-client.js';

const HOSTILE = fileURLToPath(new URL('../attack/hostile.mjs', import.meta.url));
const FLOWS = 2_000;
const ATTACK_MS = 1_200;
/** The machine may be busy with other tests: what is measured is the server's own time. */
const ANSWER_LIMIT_MS = 30_000;
/** CPU time that the server spends on others before it answers. */
const OTHERS_LIMIT_MS = 500;
const MIB = 1 << 20;

vi.setConfig({ testTimeout: 60_000 });

let loaded: LoadedCollector;
let server: ServerProcess;
let warnings: string[];
let children: ChildProcess[];

beforeEach(async () => {
  loaded = new LoadedCollector();
  warnings = [];
  children = [];
  server = await ServerProcess.start(serverOptions(loaded, warnings));
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  loaded.stop();
  await server.close();
});

async function metrics(): Promise<Map<string, number>> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const samples = text.split('\n').flatMap((line): [string, number][] => {
    const match = /^hopscope_(\S+) (\S+)$/.exec(line);
    return match === null ? [] : [[match[1] ?? '', Number(match[2])]];
  });
  return new Map(samples);
}

function resident(): number {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
}

/** CPU time of the server's event loop so far (schedstats in proc(5)), ms. */
function spentMs(): number {
  return Number(readFileSync(`/proc/${server.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

interface Outcome {
  readonly grownBytes: number;
  /** The most CPU time it took before it answered a request. */
  readonly mostSpentMs: number;
  readonly ended: number;
}

/** Attacks, and meanwhile asks as somebody who means no harm. */
async function attack(name: string, clients: number): Promise<Outcome> {
  const before = resident();
  const child = spawn(process.execPath, [HOSTILE, name, String(server.port), String(clients)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += String(chunk);
  });
  await once(child.stdout, 'data');
  const end = performance.now() + ATTACK_MS;
  let most = before;
  let mostSpentMs = 0;
  while (performance.now() < end) {
    const spent = spentMs();
    const answer = await fetch(`${server.url}/healthz`, {
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    expect(answer.status).toBe(200);
    await answer.text();
    mostSpentMs = Math.max(mostSpentMs, spentMs() - spent);
    most = Math.max(most, resident());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.stdin.end();
  await once(child, 'close');
  const said = JSON.parse(text.trim().split('\n').at(-1) ?? '') as { ended: number };
  return { grownBytes: most - before, mostSpentMs, ended: said.ended };
}

describe('others are answered, memory stays, and what is refused is counted, under', () => {
  beforeEach(() => loaded.load(20, FLOWS));

  test.each([
    ['requests ahead of unread answers', 'unread-metrics', 60, 'connections_pipelined_total'],
    ['ten thousand requests at once', 'pipelined', 4, 'connections_pipelined_total'],
    ['filters without a pause', 'filters', 32, 'clients_held_back_total'],
    ['pings without a pause', 'pings', 16, 'bad_messages_total{code="flood"}'],
    ['pings whose answers nobody reads', 'pings-unread', 16, 'bad_messages_total{code="flood"}'],
    [
      'a message in fragments without end',
      'empty-fragments',
      16,
      'bad_messages_total{code="WS_ERR_TOO_MANY_BUFFERED_PARTS"}',
    ],
    ['a compressed message', 'bomb', 4, 'bad_messages_total{code="WS_ERR_UNEXPECTED_RSV_1"}'],
    ['headers too long', 'long-header', 4, 'requests_refused_total{code="headers-too-large"}'],
    ['an address too long', 'long-url', 4, 'requests_refused_total{code="headers-too-large"}'],
    [
      'a body that does not end',
      'pour-body',
      4,
      'requests_refused_total{code="method-not-allowed"}',
    ],
  ])('%s', async (_, name, clients, counter) => {
    const { pid } = server;
    const { grownBytes, mostSpentMs } = await attack(name, clients);
    expect([server.pid, warnings]).toEqual([pid, []]);
    expect(grownBytes).toBeLessThan(48 * MIB);
    expect(mostSpentMs).toBeLessThan(OTHERS_LIMIT_MS);
    expect((await metrics()).get(counter)).toBeGreaterThan(0);
  });

  test('pages that nobody reads: those who do read theirs', async () => {
    const outcome = attack('unread', 60);
    await new Promise((resolve) => setTimeout(resolve, ATTACK_MS / 2));
    await expect
      .poll(
        async () => {
          const answer = await fetch(`${server.url}/api/flows?limit=1`);
          return answer.status;
        },
        { timeout: ANSWER_LIMIT_MS },
      )
      .toBe(200);
    expect((await outcome).grownBytes).toBeLessThan(48 * MIB);
  });

  test('a dashboard among thirty that change filters all the time gets its figures', async () => {
    const client = await SocketClient.open(server.url);
    await client.next('flows');
    const outcome = attack('filters', 30);
    await new Promise((resolve) => setTimeout(resolve, ATTACK_MS / 2));
    const from = client.messages.length;
    const got = (type: string) => (): boolean =>
      client.messages.slice(from).some((message) => message.type === type);
    await expect.poll(got('quality'), { timeout: ANSWER_LIMIT_MS }).toBe(true);
    await expect.poll(got('flows'), { timeout: ANSWER_LIMIT_MS }).toBe(true);
    await outcome;
    client.socket.terminate();
  });
});

test('frames sent before the WebSocket is there end the connection', async () => {
  const socket = connect(server.port, '127.0.0.1');
  const closed = once(socket, 'close');
  const head = [
    ...['GET /ws HTTP/1.1', `Host: 127.0.0.1:${server.port}`, 'Connection: Upgrade'],
    ...['Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  ].join('\r\n');
  socket.resume();
  socket.write(Buffer.concat([Buffer.from(head), Buffer.alloc(8_192)]));
  await closed;
  const refused = await metrics();
  expect(refused.get('requests_refused_total{code="frames-before-answer"}')).toBe(1);
});

test('requests sent ahead are answered in their order, as many as may wait', async () => {
  const socket = connect(server.port, '127.0.0.1');
  const paths = Array.from({ length: PIPELINE_LIMIT }, (_, at) => `/none-${at}`);
  const head = (path: string): string =>
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`;
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += String(chunk);
  });
  socket.write(['/healthz', ...paths].map(head).join(''));
  await expect.poll(() => text.split('HTTP/1.1 ').length - 1).toBe(1 + PIPELINE_LIMIT);
  expect(text.startsWith('HTTP/1.1 200')).toBe(true);
  const closed = once(socket, 'close');
  socket.write(['/healthz', ...paths, '/one-more'].map(head).join(''));
  await closed;
  expect((await metrics()).get('connections_pipelined_total')).toBe(1);
});
