import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type RequestOptions, request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { LOGINS_PER_MINUTE, REQUEST_DEADLINE_MS } from '../../src/serve/limits.js';
import { type RunningServer, startServer } from '../../src/serve/server.js';
import { FixtureCollector } from './fixture-collector.js';
import { FixtureFeed } from './fixture-feed.js';

const TOKEN = 'a-token-that-nobody-knows';
const INFO = {
  version: '1',
  node: 'n',
  kernel: 'k',
  mode: 'live',
  description: 'a test',
  missing: [],
} as const;

let folder: string;
let access: { readonly cert: string; readonly key: string; readonly token: string };
let server: RunningServer;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hopscope-login-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
      .concat(['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'])
      .concat(['-keyout', key, '-out', cert]),
    { stdio: 'ignore' },
  );
  access = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8'), token: TOKEN };
});
afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(async () => {
  const collector = new FixtureCollector(new FixtureFeed());
  server = await startServer({
    collector,
    uiDirectory: folder,
    info: INFO,
    run: 'r',
    port: 0,
    access,
  });
});
afterEach(() => server.close());

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

function ask(path: string, options: RequestOptions = {}, sent = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port: server.port, path, ca: access.cert, ...options },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          body += part;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      },
    );
    asked.on('error', reject);
    asked.end(sent);
  });
}

function logIn(token: string): Promise<Answer> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return ask('/login', { method: 'POST', headers }, new URLSearchParams({ token }).toString());
}

describe('a server that others reach', () => {
  test('speaks TLS, and nothing else', async () => {
    expect(server.url).toMatch(/^https:\/\//);
    const answered = await new Promise<string>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () =>
        socket.write('GET / HTTP/1.1\r\n\r\n'),
      );
      let text = '';
      socket.on('data', (part) => {
        text += part.toString('latin1');
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(text));
    });
    expect(answered).not.toContain('HTTP/1.1 200');
  });

  test.each(['/api/flows', '/metrics', '/healthz', '/api/quality', '/assets/x.js'])(
    'gives %s to nobody without the token',
    async (path) => {
      expect(await ask(path)).toMatchObject({ status: 401 });
      const headers = { authorization: 'Bearer wrong-token-wrong-token' };
      expect(await ask(path, { headers })).toMatchObject({ status: 401 });
      expect(server.counters.refusedRequests.get('no-token')).toBe(2);
    },
  );

  test('gives it to who sends the token', async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect((await ask('/api/flows', { headers })).status).toBe(200);
    expect((await ask('/metrics', { headers })).status).toBe(200);
    // Never in an address.
    expect((await ask(`/api/flows?token=${TOKEN}`)).status).toBe(401);
  });

  test('has a form for people, and a cookie for who sent the token with it', async () => {
    expect(await ask('/')).toMatchObject({ status: 303, headers: { location: '/login' } });
    const form = await ask('/login');
    expect(form.status).toBe(200);
    expect(form.headers['content-security-policy']).toContain("default-src 'none'");
    expect(form.body).not.toContain('<script');
    expect((await logIn('not-the-token')).status).toBe(403);
    const done = await logIn(TOKEN);
    expect(done).toMatchObject({ status: 303, headers: { location: '/' } });
    const [cookie = ''] = done.headers['set-cookie'] as string[];
    expect(cookie).toMatch(/; HttpOnly; Secure; SameSite=Strict$/);
    expect(cookie).not.toContain(TOKEN);
    const headers = { cookie: cookie.split(';', 1)[0] };
    expect((await ask('/api/flows', { headers })).status).toBe(200);
    expect((await ask('/api/flows', { headers: { cookie: 'hopscope=guessed' } })).status).toBe(401);
  });

  test('looks at so many tries a minute, the right one past it not either', async () => {
    for (let n = 0; n < LOGINS_PER_MINUTE; n++) expect((await logIn('x')).status).toBe(403);
    expect((await logIn(TOKEN)).status).toBe(429);
  });

  test('admits a WebSocket by the same, and no page of another host', async () => {
    const opened = (headers: Record<string, string>): Promise<number | 'open'> =>
      new Promise((resolve) => {
        const url = `${server.url.replace('https', 'wss')}/ws`;
        const socket = new WebSocket(url, { ca: access.cert, headers });
        socket.on('open', () => {
          socket.close();
          resolve('open');
        });
        socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
        socket.on('error', () => undefined);
      });
    const authorization = `Bearer ${TOKEN}`;
    expect(await opened({})).toBe(401);
    expect(await opened({ authorization })).toBe('open');
    expect(await opened({ authorization, origin: 'https://elsewhere.example' })).toBe(403);
    expect(await opened({ authorization, origin: server.url })).toBe('open');
  });

  test('waits for a request no longer than one without TLS does', async () => {
    const socket = connectTls({ host: '127.0.0.1', port: server.port, ca: access.cert });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.resume();
    // It is never idle, and never there whole.
    socket.write('GET / HTTP/1.1\r\n');
    const drip = setInterval(() => socket.write('X: x\r\n'), 500);
    await Promise.race([once(socket, 'close'), delay(REQUEST_DEADLINE_MS + 5_000)]);
    clearInterval(drip);
    expect(socket.destroyed).toBe(true);
    expect(server.counters.refusedRequests.get('request-too-slow')).toBe(1);
    socket.destroy();
  });
});
