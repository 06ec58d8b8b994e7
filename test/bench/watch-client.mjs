// @ts-check
import { argv } from 'node:process';
import { WebSocket } from 'ws';

/*
 * node watch-client.mjs URL
 *
 * A dashboard that watches and shows nothing; in a process of its own, so that what it takes
 * is not counted for the one that it watches. Writes a line once it is there.
 */

const client = new WebSocket(argv[2] ?? '');
client.on('open', () => process.stdout.write('open\n'));
client.on('message', () => undefined);
client.on('close', () => process.exit(0));
client.on('error', () => process.exit(1));
