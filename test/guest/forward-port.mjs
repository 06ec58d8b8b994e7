// @ts-check
import { connect, createServer } from 'node:net';
import { argv } from 'node:process';

/*
 * forward-port.mjs ADDRESS PORT: takes connections on ADDRESS to the same port of loopback, where
 * alone the dashboard listens.
 */
const [address, port] = argv.slice(2);

createServer((outside) => {
  const inside = connect(Number(port), '127.0.0.1');
  for (const socket of [outside, inside]) {
    socket.on('error', () => {
      outside.destroy();
      inside.destroy();
    });
  }
  outside.pipe(inside).pipe(outside);
}).listen(Number(port), address);
