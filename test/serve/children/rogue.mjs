// @ts-check
/**
 * Stands where the server process does, says that it listens, and then breaks the
 * channel's rules in the way its name ends with: `rogue.mjs#large` and so on is not a
 * file, so the way is the port it is asked to listen on.
 */
import { Socket } from 'node:net';

const WAYS = ['large', 'not-json', 'unknown', 'flood'];

const channel = new Socket({ fd: 3, readable: true, writable: true });
channel.on('close', () => process.exit(0));

/** @param {Buffer} payload @param {number} [length] */
function send(payload, length = payload.length) {
  channel.write(Buffer.from(new Uint8Array(Uint32Array.of(length, 1).buffer)));
  channel.write(payload);
}

/** @param {unknown} value */
function say(value) {
  send(Buffer.from(JSON.stringify(value)));
}

channel.once('data', (chunk) => {
  const length = chunk.readUInt32LE(0);
  const { port } = JSON.parse(chunk.subarray(8, 8 + length).toString());
  say({ type: 'listening', url: 'http://127.0.0.1:1', port });
  switch (WAYS[port]) {
    case 'large':
      return send(Buffer.alloc(8), (64 << 10) + 1);
    case 'not-json':
      return send(Buffer.from('{'));
    case 'unknown':
      return say({ type: 'ask', number: 1, question: { about: 'secrets' } });
    case 'flood':
      for (let index = 0; index < 5000; index++) say({ type: 'watch', watching: true });
  }
});
