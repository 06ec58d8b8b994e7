/**
 * `node hesitant-proxy.mjs PORT HOST PORT COUNT`: a proxy that first reads so many
 * requests and only then opens a connection for each, the last one first: who looks at
 * what was read last is wrong about all but one. Says `ready` when it listens.
 */
import { createServer, request } from 'node:http';

const [listen, host, port, count] = process.argv.slice(2);
/** @type {import("node:http").ServerResponse[]} */
let held = [];

const server = createServer((_, response) => {
  held.push(response);
  if (held.length < Number(count)) return;
  const all = held.reverse();
  held = [];
  for (const waiting of all) {
    request({ host, port, agent: false, headers: { connection: 'close' } }, (answer) => {
      waiting.writeHead(200, {
        connection: 'close',
        'content-length': answer.headers['content-length'],
      });
      answer.pipe(waiting);
    }).end();
  }
});
server.listen(Number(listen), () => process.stdout.write('ready\n'));
