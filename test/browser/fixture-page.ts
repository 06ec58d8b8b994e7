import { fileURLToPath } from 'node:url';
import { type RunningServer, startServer } from '../../src/serve/server.js';
import { FixtureCollector } from '../serve/fixture-collector.js';
import type { FixtureFeed } from '../serve/fixture-feed.js';

/** The built page, served with flows that a test sets: for what needs no kernel. */
export function servePage(feed: FixtureFeed): Promise<RunningServer> {
  return startServer({
    collector: new FixtureCollector(feed),
    run: 'one',
    uiDirectory: fileURLToPath(new URL('../../dist/ui', import.meta.url)),
    info: {
      version: '0',
      node: 'node111',
      kernel: '0',
      mode: 'live',
      description: 'flows of a test',
      missing: ['a thing this kernel lacks'],
    },
    port: 0,
  });
}
