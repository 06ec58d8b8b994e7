import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { FlowDetails } from '../../../src/serve/flow-details.js';
import { createHostGuard } from '../../../src/serve/host-guard.js';
import { Routes, sendJson, setSecurityHeaders } from '../../../src/serve/http-routes.js';
import { ServeCounters } from '../../../src/serve/serve-counters.js';
import { answeringCollector } from '../answering-collector.js';
import { HTTP_WORDS, REFUSALS, STATUSES } from '../http-answer.js';
import { MemorySocket } from '../memory-socket.js';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

const PORT = 7677;

/** Requests as Node's parser hands them over: to the host guard, and then to the routes. */
export const HTTP_TARGET: Target = {
  name: 'http',
  kind: 'text',
  longest: 4096,
  words: HTTP_WORDS,
  era: null,
  lanes: 1,
  leastGood: 0.1,
  begin: () => new HttpEra(),
};

class HttpEra implements Era {
  good = 0;
  readonly #counters = new ServeCounters();
  readonly #guard = createHostGuard(PORT, '127.0.0.1', ['hopscope.test']);
  readonly #routes: Routes;
  #refused = 0;

  constructor() {
    const collector = answeringCollector();
    const body = Buffer.from('export {};');
    const file = { body, type: 'text/javascript', etag: '"x"', cacheControl: 'no-cache' };
    this.#routes = new Routes({
      collector,
      files: new Map([
        ['/', file],
        ['/assets/index.js', file],
      ]),
      counters: this.#counters,
      details: new FlowDetails(collector),
      hello: {
        ...{ type: 'hello', protocol: 1, run: 'x', version: '0', node: 'n', kernel: '6' },
        ...{ mode: 'live', description: 'd', missing: [] },
      },
      quality: () => collector.status?.quality ?? null,
      load: () => collector.status?.load as never,
      clients: () => 0,
    });
  }

  async check(input: Uint8Array, _random: Random): Promise<void> {
    const socket = new MemorySocket();
    const request = requestOf(Buffer.from(input).toString('latin1'), socket);
    const response = new ServerResponse(request);
    response.assignSocket(socket as unknown as Socket);
    // As the server does for a connection of its own.
    socket.on('drain', () => response.emit('drain'));
    setSecurityHeaders(response);
    const refusal = this.#guard(request.headers);
    if (refusal === null) {
      await this.#routes.answer(request, response);
    } else {
      this.#counters.refuseRequest(refusal.code);
      sendJson(response, 403, { type: 'error', ...refusal });
    }
    if (!response.writableEnded) throw new Error('there is no answer');
    this.#judge(request, response, socket.taken().toString());
  }

  #judge(request: IncomingMessage, response: ServerResponse, text: string): void {
    const { statusCode } = response;
    if (!STATUSES.has(statusCode)) throw new Error(`status ${statusCode}`);
    const end = text.indexOf('\r\n\r\n');
    const body = text.slice(end + 4);
    const head = text.slice(0, end).split('\r\n');
    for (const wanted of ['Content-Security-Policy: ', 'X-Content-Type-Options: nosniff']) {
      if (!head.some((line) => line.startsWith(wanted))) throw new Error(`no ${wanted}`);
    }
    if (request.method === 'HEAD' && body !== '') throw new Error('a body for HEAD');
    const refused = [...this.#counters.refusedRequests.values()].reduce((sum, n) => sum + n, 0);
    const news = refused - this.#refused;
    this.#refused = refused;
    if (news !== (statusCode >= 400 ? 1 : 0)) throw new Error(`${news} refusals, ${statusCode}`);
    if (statusCode >= 400) {
      const known = [...this.#counters.refusedRequests.keys()].every((code) => REFUSALS.has(code));
      if (!known) throw new Error([...this.#counters.refusedRequests.keys()].join());
      if (request.method === 'HEAD') return;
      const { type, code, message } = JSON.parse(body);
      if (type !== 'error' || !REFUSALS.has(code) || typeof message !== 'string') {
        throw new Error(body);
      }
    } else {
      this.good += 1;
    }
  }
}

/** A request as Node makes it, of a text that begins like one. */
function requestOf(text: string, socket: MemorySocket): IncomingMessage {
  const request = new IncomingMessage(socket as unknown as Socket);
  const [first = '', ...lines] = text.split(/\r?\n/u);
  const [method = '', url = ''] = first.split(' ');
  request.method = method;
  request.url = url;
  request.httpVersionMajor = 1;
  request.httpVersionMinor = 1;
  for (const line of lines) {
    const at = line.indexOf(':');
    if (at <= 0) break;
    request.headers[line.slice(0, at).toLowerCase()] = line.slice(at + 1).trim();
  }
  return request;
}
