// @ts-check
/**
 * Clients that ask for all they can, until asked to stop: CLIENTS dashboards that change
 * their filter all the time, and one that reads /api/flows in a loop. Reports to its parent
 * how much it got.
 */
import { argv } from 'node:process';
import { WebSocket } from 'ws';

const [, , url = '', clients = '32', seconds = '3'] = argv;
let messages = 0;
let pages = 0;
let refused = 0;
const sockets = Array.from({ length: Number(clients) }, () => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`);
  socket.on('message', () => {
    messages += 1;
  });
  socket.on('error', () => undefined);
  return socket;
});
await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('open', resolve))));
let round = 0;
const filters = setInterval(() => {
  round += 1;
  for (const socket of sockets) {
    const text = `${round % 2 === 0 ? '-' : ''}10.244.${round % 200}`;
    socket.send(JSON.stringify({ type: 'filter', text }));
  }
}, 25);
const end = performance.now() + Number(seconds) * 1000;
while (performance.now() < end) {
  const answer = await fetch(`${url}/api/flows`);
  await answer.text();
  if (answer.status === 200) pages += 1;
  else refused += 1;
}
clearInterval(filters);
for (const socket of sockets) socket.terminate();
process.stdout.write(JSON.stringify({ messages, pages, refused }));
