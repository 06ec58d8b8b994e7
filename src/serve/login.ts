import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { LOGIN_BYTES, LOGINS_PER_MINUTE } from './limits.js';

const COOKIE = 'hopscope';
const LOGIN_PATH = '/login';
/** No script and no style: the form alone may be sent, to this server. */
const POLICY = "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/**
 * Who may ask where others than this machine reach the server: whoever has the token. A program
 * sends it as `Authorization: Bearer TOKEN`; a browser once, in the body of a form, and has a
 * cookie from then on that says that it did and is no use elsewhere. It stands in no address.
 */
export class Login {
  readonly #token: Buffer;
  readonly #session: string;
  readonly #clock: () => number;
  /** When the tries of a minute began to be counted. */
  #minute = 0;
  #tries = 0;

  /** @param run differs for each run of the daemon, and with it the cookie */
  constructor(token: string, run: string, clock: () => number) {
    this.#token = digest(token);
    this.#session = createHash('sha256').update(`${run}\n${token}`).digest('base64url');
    this.#clock = clock;
  }

  /** Whether a request shows that who sent it has the token. */
  admits(headers: IncomingHttpHeaders): boolean {
    const bearer = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
    if (bearer !== undefined) return this.#isToken(bearer);
    const cookies = (headers.cookie ?? '').split(';').map((cookie) => cookie.trim());
    const own = cookies.find((cookie) => cookie.startsWith(`${COOKIE}=`));
    return own !== undefined && isSame(digest(own.slice(COOKIE.length + 1)), digest(this.#session));
  }

  isLogin(request: IncomingMessage): boolean {
    return request.url?.split('?', 1)[0] === LOGIN_PATH;
  }

  /** Sends the form, or takes it. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'POST') {
      this.#sendForm(
        response,
        request.method === 'GET' || request.method === 'HEAD' ? 200 : 405,
        '',
      );
      return;
    }
    if (!this.#mayTry()) {
      response.setHeader('Retry-After', '60');
      this.#sendForm(response, 429, 'Too many tries: wait a minute.');
      return;
    }
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
      if (body.length > LOGIN_BYTES) request.destroy();
    });
    request.on('end', () => {
      const given = new URLSearchParams(body).get('token')?.trim() ?? '';
      if (!this.#isToken(given)) {
        this.#sendForm(response, 403, 'That is not the token.');
        return;
      }
      const attributes = 'Path=/; HttpOnly; Secure; SameSite=Strict';
      response.setHeader('Set-Cookie', `${COOKIE}=${this.#session}; ${attributes}`);
      response.writeHead(303, { Location: '/' }).end();
    });
  }

  /** A page for people who have not shown the token. */
  redirect(response: ServerResponse): void {
    response.writeHead(303, { Location: LOGIN_PATH }).end();
  }

  #isToken(given: string): boolean {
    return isSame(digest(given), this.#token);
  }

  #mayTry(): boolean {
    const now = this.#clock();
    if (now - this.#minute >= 60_000) {
      this.#minute = now;
      this.#tries = 0;
    }
    this.#tries += 1;
    return this.#tries <= LOGINS_PER_MINUTE;
  }

  #sendForm(response: ServerResponse, status: number, problem: string): void {
    const body = Buffer.from(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>hopscope</title>
<h1>hopscope</h1>
<p role="alert">${problem}</p>
<form method="post" action="${LOGIN_PATH}">
<label>The token that the daemon printed when it started:
<input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Log in</button>
</form></html>`);
    response.setHeader('Content-Security-Policy', POLICY);
    response.setHeader('Cache-Control', 'no-store');
    response
      .writeHead(status, {
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Length': body.length,
        ...(status === 405 ? { Allow: 'GET, HEAD, POST' } : {}),
      })
      .end(body);
  }
}

/** All of one length, so that comparing takes as long for each. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function isSame(one: Buffer, other: Buffer): boolean {
  return timingSafeEqual(one, other);
}
