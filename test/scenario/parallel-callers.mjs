/**
 * `node parallel-callers.mjs HOST PORT COUNT [fragments]`: so many connections at once, and
 * only when all stand a request on each, in two fragments when asked to. Prints for every
 * answer `[own port, port that the last server saw]` as JSON, then ends.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const [host, port, count, fragments] = process.argv.slice(2);
const REQUEST = 'GET / HTTP/1.1\r\nHost: scenario\r\nConnection: close\r\n\r\n';

const sockets = Array.from({ length: Number(count) }, () => connect(Number(port), host));
const texts = sockets.map(async (socket) => {
  let text = '';
  socket.setEncoding('utf8').on('data', (data) => {
    text += data;
  });
  await once(socket, 'close');
  return text;
});
await Promise.all(sockets.map((socket) => once(socket, 'connect')));
const ports = sockets.map(({ localPort }) => localPort);
if (fragments === 'fragments') {
  for (const socket of sockets) socket.write(REQUEST.slice(0, 20));
  await delay(50);
  for (const socket of sockets) socket.write(REQUEST.slice(20));
} else {
  for (const socket of sockets) socket.write(REQUEST);
}
const pairs = (await Promise.all(texts)).map((text, index) => {
  const body = JSON.parse(text.slice(text.indexOf('\r\n\r\n')));
  return [ports[index], body.peer.port];
});
process.stdout.write(JSON.stringify(pairs));
