import { fileURLToPath } from 'node:url';
import type { ServerProcessOptions } from '../../src/serve/server-process.js';
import type { LoadedCollector } from './loaded-collector.js';

const SERVER_PROGRAM = fileURLToPath(new URL('../../dist/serve/server-main.js', import.meta.url));

/** Of a server on some port of loopback, with the rows of a collector. */
export function serverOptions(
  loaded: LoadedCollector,
  warnings: string[],
  some: Partial<ServerProcessOptions> = {},
): ServerProcessOptions {
  return {
    collected: loaded.collected,
    info: { version: '0', node: 'n', kernel: '0', mode: 'live', description: '', missing: [] },
    uiDirectory: '/nonexistent',
    host: '127.0.0.1',
    port: 0,
    allowHosts: [],
    program: SERVER_PROGRAM,
    onWarning: (_event, message) => warnings.push(message),
    ...some,
  };
}
