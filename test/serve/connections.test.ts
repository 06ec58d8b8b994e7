import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Connections } from '../../src/serve/connections.js';
import { ServeCounters } from '../../src/serve/serve-counters.js';

const LIMIT = 3;
/** More than the buffers of a connection on loopback hold. */
const MUCH = Buffer.alloc(16 << 20);

let server: Server;
let counters: ServeCounters;
let answers: ServerResponse[];
let sockets: Socket[];

beforeEach(async () => {
  counters = new ServeCounters();
  answers = [];
  sockets = [];
  server = createServer();
  const connections = new Connections(server, counters, LIMIT);
  server.on('request', (request, response) => {
    connections.serve(request.socket, response);
    answers.push(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.closeAllConnections();
  server.close();
});

async function open(): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

async function ask(): Promise<Socket> {
  const socket = await open();
  const before = answers.length;
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await expect.poll(() => answers.length).toBe(before + 1);
  return socket;
}

test('while all are at work, one past the limit is turned away, and counted', async () => {
  const [first] = [await ask(), await ask(), await ask()];
  expect([counters.connectionsRefused, counters.connectionsIdle]).toEqual([0, 0]);
  await once(await open(), 'close');
  expect([counters.connectionsRefused, counters.connectionsIdle]).toEqual([1, 0]);
  // One that has its answer is idle, and is closed first.
  answers[0]?.end();
  await once(first as Socket, 'data');
  const closed = once(first as Socket, 'close');
  await ask();
  await closed;
  expect([counters.connectionsRefused, counters.connectionsIdle]).toEqual([1, 1]);
});

test('one that does not read its answer on is cut off, and counted', async () => {
  server.timeout = 300;
  const socket = await ask();
  socket.pause();
  answers[0]?.end(MUCH);
  await once(answers[0] as ServerResponse, 'close');
  expect(counters.connectionsUnread).toBe(1);
  // One that has nothing to read is no such case.
  const idle = await open();
  idle.resume();
  await once(idle, 'close');
  expect(counters.connectionsUnread).toBe(1);
});
