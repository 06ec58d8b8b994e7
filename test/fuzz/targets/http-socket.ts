import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningServer, startServer } from '../../../src/serve/server.js';
import { answeringCollector } from '../answering-collector.js';
import { HTTP_WORDS, REFUSALS, STATUSES } from '../http-answer.js';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

const HOST = 'hopscope.test';
/** Ends the connection of whoever got so far, with an answer. */
const LAST = `\r\n\r\nGET /healthz HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`;
/** What waits for more by then gets the end of what the client sends. */
const PATIENCE_MS = 10;
/** Longer than the server itself waits for anything. */
const DEADLINE_MS = 30_000;
/** Ports of a client stay taken for a minute; of each address there are as many. */
const CLIENT_ADDRESSES = 250;
const MOST_ANSWERED = 16 << 20;

/** Bytes on a connection to the real server. */
export const HTTP_SOCKET_TARGET: Target = {
  name: 'http-socket',
  kind: 'text',
  longest: 20 << 10,
  words: HTTP_WORDS,
  era: 10_000,
  lanes: 64,
  leastGood: 0.1,
  // Each is a connection; the `http` target has as many requests as all others.
  suiteCount: 25_000,
  begin: () => HttpSocketEra.begin(),
};

class HttpSocketEra implements Era {
  good = 0;
  readonly #folder: string;
  readonly #server: RunningServer;

  private constructor(folder: string, server: RunningServer) {
    this.#folder = folder;
    this.#server = server;
  }

  static async begin(): Promise<HttpSocketEra> {
    const folder = mkdtempSync(join(tmpdir(), 'hopscope-fuzz-'));
    writeFileSync(join(folder, 'index.html'), '<!doctype html>');
    const server = await startServer({
      collector: answeringCollector(),
      uiDirectory: folder,
      info: {
        ...{ version: '0', node: 'n', kernel: '6', mode: 'live', description: 'd', missing: [] },
      },
      run: 'a run',
      port: 0,
      allowHosts: [HOST],
    });
    return new HttpSocketEra(folder, server);
  }

  async check(input: Uint8Array, random: Random): Promise<void> {
    const said = await this.#exchange(Buffer.concat([input, Buffer.from(LAST)]), random);
    // Only a status line has these letters with an end of line: JSON escapes it.
    const statuses = [...said.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z][A-Za-z -]*\r\n/gu)].map(
      ([, status]) => Number(status),
    );
    const odd = statuses.find((status) => !STATUSES.has(status));
    if (odd !== undefined) throw new Error(`status ${odd}`);
    if (said !== '' && !said.startsWith('HTTP/1.1 ')) throw new Error(`said ${said.slice(0, 80)}`);
    if (statuses.includes(200)) this.good += 1;
    for (const code of this.#server.counters.refusedRequests.keys()) {
      if (!REFUSALS.has(code) && code !== 'too-many-clients' && code !== 'too-many-requests') {
        throw new Error(`refused as ${code}`);
      }
    }
  }

  #exchange(bytes: Buffer, random: Random): Promise<string> {
    return new Promise((resolve, reject) => {
      const localAddress = `127.0.0.${2 + random.below(CLIENT_ADDRESSES)}`;
      const socket = connect({ host: '127.0.0.1', port: this.#server.port, localAddress });
      const parts: Buffer[] = [];
      let length = 0;
      const patience = setTimeout(() => socket.end(), PATIENCE_MS);
      const deadline = setTimeout(() => {
        reject(new Error(`the connection is open after ${DEADLINE_MS} ms`));
        socket.destroy();
      }, DEADLINE_MS);
      socket.on('data', (part) => {
        parts.push(part);
        length += part.length;
        if (length > MOST_ANSWERED) reject(new Error(`${length} bytes of an answer`));
      });
      socket.on('error', (error: NodeJS.ErrnoException) => {
        // Who is refused while he still sends is cut off.
        if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
      });
      socket.on('close', () => {
        clearTimeout(patience);
        clearTimeout(deadline);
        resolve(Buffer.concat(parts).toString('latin1'));
      });
      socket.write(bytes);
    });
  }

  async end(): Promise<void> {
    const said = await this.#exchange(Buffer.from(LAST.trimStart()), { below: () => 0 } as never);
    await this.#server.close();
    rmSync(this.#folder, { recursive: true });
    if (!said.startsWith('HTTP/1.1 200 ')) throw new Error(`it answers ${said.slice(0, 80)}`);
  }
}
