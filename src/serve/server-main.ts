/**
 * The process that serves; see server-process.ts. It is started with a socket to the
 * collector as file descriptor 3, and knows nothing but what comes over that.
 */
import { Socket } from 'node:net';
import { HopscopeError } from '../model/errors.js';
import { ChannelCollector } from './channel-collector.js';
import type { StartMessage } from './channel-messages.js';
import { type RunningServer, startServer } from './server.js';

const CHANNEL = 3;

let server: RunningServer | null = null;
let ending = false;

const collector = new ChannelCollector(
  new Socket({ fd: CHANNEL, readable: true, writable: true }),
  {
    onStart: (message) => void begin(message),
    onEnd: () => void end(),
  },
);

// Ctrl-C, and what a service manager sends to all of a service, is for the collector, which
// ends this process in its turn.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

async function begin(message: StartMessage): Promise<void> {
  try {
    server = await startServer({ collector, ...message });
    collector.send({ type: 'listening', url: server.url, port: server.port });
  } catch (error) {
    const code = error instanceof HopscopeError ? error.code : 'listen-failed';
    const text = error instanceof Error ? error.message : String(error);
    collector.send({ type: 'failed', code, message: text.slice(0, 1000) });
  }
}

async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  await server?.close();
  process.exit(0);
}
