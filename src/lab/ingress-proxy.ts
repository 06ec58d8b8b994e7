/**
 * The ingress proxy, started by lab up in INGRESS_POD as `node ingress-proxy.js`: HTTP on
 * INGRESS_PORT, each request sent on to a service over a connection of its own. Like any
 * proxy it is one program between two connections that nothing in the packets relates.
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import { INGRESS_PORT, INGRESS_TARGET, SERVICES } from './topology.js';

const CONNECTION_LIMIT = 256;
const ANSWER_TIMEOUT_MS = 10_000;

const target = SERVICES.find(({ name }) => name === INGRESS_TARGET);
if (target === undefined) throw new RangeError(`no service ${INGRESS_TARGET}`);
const { clusterIp: host, port } = target;
const dualStack = process.argv[2] === 'dual-stack';

function proxy(incoming: IncomingMessage, response: ServerResponse): void {
  const { method, url, headers, socket } = incoming;
  const onwards = request({
    host,
    port,
    ...(method === undefined ? {} : { method }),
    ...(url === undefined ? {} : { path: url }),
    headers: { ...headers, connection: 'close', 'x-forwarded-for': socket.remoteAddress ?? '' },
    agent: false,
    timeout: ANSWER_TIMEOUT_MS,
  });
  onwards.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    pipeline(answer, response, () => undefined);
  });
  onwards.on('timeout', () => onwards.destroy(new Error('timed out')));
  onwards.on('error', () => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502).end();
  });
  // What the caller gave up nobody else waits for.
  response.on('close', () => onwards.destroy());
  pipeline(incoming, onwards, () => undefined);
}

const server = createServer(proxy);
server.maxConnections = CONNECTION_LIMIT;
server.listen(INGRESS_PORT, dualStack ? '::' : '0.0.0.0', () => {
  process.stdout.write('ready\n');
});
