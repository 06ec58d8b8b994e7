// @ts-check
import { randomBytes } from 'node:crypto';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { argv, stdin, stdout } from 'node:process';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';

/*
 * node hostile.mjs ATTACK PORT CLIENTS
 *
 * Clients that mean harm, each attack by its name, over plain sockets: nothing here keeps to
 * what a library would. It says `ready` once all have begun, goes on until its standard input
 * ends, and then says in JSON what came of it.
 */

const [, , attack = '', port = '0', clients = '1'] = argv;
const HOST = '127.0.0.1';
const FILLER_BYTES = 1 << 20;
/** Time between two bytes of a header that never ends. */
const DRIP_MS = 300;
const PIPELINED = 10_000;
/** For an upgrade whose answer is not read, and for one whose answer is. */
const UPGRADE_MS = 300;
const UPGRADE_LIMIT_MS = 5_000;
const UNREAD_REQUESTS = 50;
/** Fewer than end a connection. */
const AHEAD = 10;
/** Opcodes and bits of a frame's first bytes (RFC 6455, 5.2). */
const FIN = 0x80;
const COMPRESSED = 0x40;
const TEXT = 1;
const CONTINUATION = 0;
const PING = 9;
const MASKED = 0x80;

const got = { connections: 0, ended: 0, answers: 0, refused: 0, bytes: 0, endedAfterMs: -1 };
let going = true;

/** A connection, counted; nobody reads it unless `onData` is given. @param {(chunk: Buffer) => void} [onData] */
function open(onData) {
  const begun = performance.now();
  const socket = connect({ port: Number(port), host: HOST });
  got.connections += 1;
  socket.on('error', () => undefined);
  socket.once('close', () => {
    if (!going) return;
    got.ended += 1;
    got.endedAfterMs = Math.max(got.endedAfterMs, Math.round(performance.now() - begun));
  });
  if (onData === undefined) socket.pause();
  else socket.on('data', onData);
  return socket;
}

/** @param {string} path @param {string} [more] further header lines */
function request(path, more = '') {
  return `GET ${path} HTTP/1.1\r\nHost: ${HOST}:${port}\r\n${more}\r\n`;
}

/** What comes is counted, and not looked at. @param {Buffer} chunk */
function weigh(chunk) {
  got.bytes += chunk.length;
}

/** @param {Buffer} chunk */
function note(chunk) {
  weigh(chunk);
  const text = chunk.toString('latin1');
  got.answers += text.split('HTTP/1.1 2').length - 1;
  got.refused += text.split(/HTTP\/1\.1 [45]/).length - 1;
}

/** @param {string} [extensions] */
function upgrade(extensions = '') {
  const key = randomBytes(16).toString('base64');
  const words = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n`;
  return request('/ws', words + extensions);
}

/** A frame masked with zeros, so that its bytes stand as they are. @param {number} head @param {Buffer} body */
function frame(head, body) {
  const length =
    body.length < 126
      ? Buffer.of(head, MASKED | body.length)
      : Buffer.of(head, MASKED | 126, body.length >> 8, body.length & 0xff);
  return Buffer.concat([length, Buffer.alloc(4), body]);
}

/** @param {import('node:net').Socket} socket @param {readonly string[]} events @param {number} limitMs */
function untilAny(socket, events, limitMs) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      for (const event of events) socket.off(event, done);
      resolve(undefined);
    };
    const timer = setTimeout(done, limitMs);
    for (const event of events) socket.once(event, done);
  });
}

/**
 * Writes as much as the other side takes.
 *
 * @param {import('node:net').Socket} socket
 * @param {() => Buffer | string} next
 */
async function pour(socket, next) {
  while (going && !socket.destroyed) {
    if (socket.write(next())) await turn();
    else await untilAny(socket, ['drain', 'close'], 1_000);
  }
}

/** Opens another connection when one is ended. @param {() => import('node:net').Socket} one @param {(socket: import('node:net').Socket) => Promise<unknown>} work */
async function again(one, work) {
  while (going) {
    const socket = one();
    await work(socket);
    socket.destroy();
    await delay(20);
  }
}

/** Asks one thing after another, each when the one before was answered. @param {string} path */
async function loop(path) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  while (going) {
    await new Promise((resolve) => {
      const asked = get({ host: HOST, port: Number(port), path, agent }, (answer) => {
        answer.on('data', weigh);
        answer.once('close', resolve);
        if (answer.statusCode === 200) got.answers += 1;
        else got.refused += 1;
      });
      asked.once('error', () => setTimeout(resolve, 10));
    });
  }
}

let round = 0;
/** @type {Record<string, () => void>} */
const ATTACKS = {
  'limit-one': () => void loop('/api/flows?limit=1'),
  healthz: () => void loop('/healthz'),
  filters: () =>
    void again(
      () => open(weigh),
      async (socket) => {
        await opened(socket);
        await pour(socket, () => {
          round += 1;
          const terms = Array.from({ length: 32 }, (_, at) => `-10.${round % 250}.${at}`);
          const message = { type: 'filter', text: terms.join(' ') };
          return frame(FIN | TEXT, Buffer.from(JSON.stringify(message)));
        });
      },
    ),
  unread: () => {
    open().write(request('/api/flows?limit=10000').repeat(AHEAD));
  },
  'unread-metrics': () => {
    const socket = open();
    void pour(socket, () => request('/metrics').repeat(UNREAD_REQUESTS));
  },
  'unread-sockets': () =>
    void again(
      () => open(),
      async (socket) => {
        await opened(socket);
        await pour(socket, () => frame(FIN | TEXT, Buffer.from('{"type":"filter","terms":[]}')));
      },
    ),
  idle: () => void open(),
  'half-open': () => {
    const socket = open();
    socket.end(`GET /healthz HTTP/1.1\r\nHost: ${HOST}`);
  },
  drip: () => {
    const socket = open(note);
    const bytes = request('/healthz', `X: ${'x'.repeat(8_000)}\r\n`);
    let at = 0;
    void (async () => {
      while (going && !socket.destroyed) {
        socket.write(bytes.charAt(at++));
        await delay(DRIP_MS);
      }
    })();
  },
  'drip-body': () => {
    const socket = open(note);
    const head = `POST /api/flows HTTP/1.1\r\nHost: ${HOST}:${port}\r\nContent-Length: 1000000\r\n\r\n`;
    void (async () => {
      socket.write(head);
      while (going && !socket.destroyed) {
        await delay(DRIP_MS);
        socket.write('x');
      }
    })();
  },
  'pour-body': () =>
    void again(
      () => open(note),
      async (socket) => {
        const many = Buffer.alloc(65_536);
        socket.write(
          `POST /api/flows HTTP/1.1\r\nHost: ${HOST}:${port}\r\nContent-Length: 1000000000000\r\n\r\n`,
        );
        await pour(socket, () => many);
      },
    ),
  'long-url': () =>
    void again(
      () => open(note),
      (socket) => sent(socket, request(`/${'a'.repeat(FILLER_BYTES)}`)),
    ),
  'long-header': () =>
    void again(
      () => open(note),
      (socket) => sent(socket, request('/healthz', `X: ${'a'.repeat(FILLER_BYTES)}\r\n`)),
    ),
  'many-headers': () =>
    void again(
      () => open(note),
      (socket) => sent(socket, request('/healthz', 'A: b\r\n'.repeat(FILLER_BYTES / 8))),
    ),
  pipelined: () => void open(note).write(request('/healthz').repeat(PIPELINED)),
  'pipelined-flows': () => void open(note).write(request('/api/flows?limit=1').repeat(PIPELINED)),
  fragments: () =>
    void again(
      () => open(weigh),
      async (socket) => {
        await opened(socket);
        let first = true;
        await pour(socket, () => {
          const head = first ? TEXT : CONTINUATION;
          first = false;
          return frame(head, Buffer.alloc(1_000, 0x20));
        });
      },
    ),
  'empty-fragments': () =>
    void again(
      () => open(weigh),
      async (socket) => {
        await opened(socket);
        socket.write(frame(TEXT, Buffer.alloc(0)));
        const many = Buffer.concat(
          Array.from({ length: 1_000 }, () => frame(CONTINUATION, Buffer.alloc(0))),
        );
        await pour(socket, () => many);
      },
    ),
  pings: () => {
    const many = Buffer.concat(
      Array.from({ length: 500 }, () => frame(FIN | PING, Buffer.alloc(120))),
    );
    void again(
      () => open(weigh),
      async (socket) => {
        await opened(socket);
        await pour(socket, () => many);
      },
    );
  },
  'pings-unread': () => {
    const many = Buffer.concat(
      Array.from({ length: 500 }, () => frame(FIN | PING, Buffer.alloc(120))),
    );
    void again(
      () => open(),
      async (socket) => {
        await opened(socket);
        await pour(socket, () => many);
      },
    );
  },
  bomb: () =>
    void again(
      () => open(note),
      async (socket) => {
        await opened(socket, 'Sec-WebSocket-Extensions: permessage-deflate\r\n');
        const { deflateRawSync } = await import('node:zlib');
        const body = deflateRawSync(Buffer.alloc(16 << 20)).subarray(0, 16_000);
        await pour(socket, () => frame(FIN | COMPRESSED | TEXT, body));
      },
    ),
  upgrades: () =>
    void again(
      () => open(note),
      async (socket) => {
        socket.write(upgrade());
        await untilAny(socket, ['data', 'close'], 500);
      },
    ),
};

/** Asks for a WebSocket, and waits until it has one. @param {import('node:net').Socket} socket */
async function opened(socket, extensions = '') {
  socket.write(upgrade(extensions));
  if (socket.isPaused()) await delay(UPGRADE_MS);
  else await untilAny(socket, ['data', 'close'], UPGRADE_LIMIT_MS);
}

/** Until it is answered, ended, or nothing comes. @param {import('node:net').Socket} socket @param {string} text */
async function sent(socket, text) {
  socket.write(text);
  await untilAny(socket, ['data', 'close'], 2_000);
}

const begin = ATTACKS[attack];
if (begin === undefined) throw new Error(`no attack ${attack}`);
for (let client = 0; client < Number(clients); client += 1) begin();
stdout.write('ready\n');
stdin.resume();
await new Promise((resolve) => stdin.once('end', resolve));
going = false;
stdout.write(`${JSON.stringify(got)}\n`, () => process.exit(0));
