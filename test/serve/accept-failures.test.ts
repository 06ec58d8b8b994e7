import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { log } from '../../src/logger.js';
import { surviveAcceptFailures } from '../../src/serve/accept-failures.js';
import { ServeCounters } from '../../src/serve/serve-counters.js';

test('a connection that cannot be accepted is counted, and the next one is served', async () => {
  const server = createServer((_, response) => response.end('here'));
  const counters = new ServeCounters();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  surviveAcceptFailures(server, counters);
  const before = log.level;
  log.level = 'error';
  try {
    for (let n = 0; n < 3; n++) {
      server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
    }
    expect(counters.connectionsFailed).toBe(3);
    const { port } = server.address() as AddressInfo;
    const status = await new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).once('error', reject);
    });
    expect(status).toBe(200);
  } finally {
    log.level = before;
    server.close();
  }
});
