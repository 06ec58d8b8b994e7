/**
 * What runs in a server pod, started by lab up as `node pod-server.js NAME`: HTTP on
 * port 80 and a UDP echo on port 5353. It says who answered and whom it saw calling,
 * so that a caller learns what the translations on the way did.
 *
 * GET / answers {"pod","peer","local"}; GET /bulk?bytes=N answers N bytes (at most
 * BULK_LIMIT); GET /slow holds the connection open for a second.
 */
import { createSocket } from 'node:dgram';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { HTTP_PORT, UDP_ECHO_PORT } from './topology.js';

const BULK_LIMIT = 64 << 20;
const BULK_CHUNK = Buffer.alloc(64 << 10, 0x2e);
const CONNECTION_LIMIT = 256;

const name = process.argv[2] ?? 'pod';
const dualStack = process.argv[3] === 'dual-stack';

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://pod');
  if (url.pathname === '/bulk') {
    const wanted = Number(url.searchParams.get('bytes') ?? '0');
    sendBulk(
      response,
      Number.isSafeInteger(wanted) ? Math.min(Math.max(wanted, 0), BULK_LIMIT) : 0,
    );
    return;
  }
  const { remoteAddress, remotePort, localAddress, localPort } = request.socket;
  const body = `${JSON.stringify({
    pod: name,
    peer: { address: plain(remoteAddress), port: remotePort ?? null },
    local: { address: plain(localAddress), port: localPort ?? null },
  })}\n`;
  const send = (): void => {
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'x-pod': name,
    });
    response.end(body);
  };
  if (url.pathname === '/slow') setTimeout(send, 1000).unref();
  else send();
}

/** A socket for both families shows IPv4 callers in mapped form (RFC 4291, 2.5.5.2). */
function plain(address: string | undefined): string | null {
  return address?.replace(/^::ffff:/, '') ?? null;
}

function sendBulk(response: ServerResponse, bytes: number): void {
  response.writeHead(200, { 'content-length': bytes, 'x-pod': name });
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const chunk = BULK_CHUNK.subarray(0, Math.min(left, BULK_CHUNK.length));
      left -= chunk.length;
      if (!response.write(chunk)) {
        response.once('drain', more);
        return;
      }
    }
    response.end();
  };
  more();
}

function listenHttp(): Promise<void> {
  const server = createServer(answer);
  server.maxConnections = CONNECTION_LIMIT;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(HTTP_PORT, dualStack ? '::' : '0.0.0.0', resolve);
  });
}

function listenUdp(): Promise<void> {
  const socket = createSocket({ type: dualStack ? 'udp6' : 'udp4' });
  socket.on('message', (message, peer) => socket.send(message, peer.port, peer.address));
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(UDP_ECHO_PORT, dualStack ? '::' : '0.0.0.0', () => {
      socket.off('error', reject);
      // An echo that cannot be sent (the caller is gone) is the caller's loss alone.
      socket.on('error', () => undefined);
      resolve();
    });
  });
}

await Promise.all([listenHttp(), listenUdp()]);
process.stdout.write('ready\n');
