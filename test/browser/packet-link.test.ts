import { PATHS_PER_FLOW, PATHS_PER_MESSAGE } from 'hopscope-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningServer } from '../../src/serve/server.js';
import { FixtureFeed, serviceFlow, servicePath } from '../serve/fixture-feed.js';
import { Window } from './chromium.js';
import { servePage } from './fixture-page.js';

const PATHS = PATHS_PER_FLOW - 1;

const feed = new FixtureFeed();
let server: RunningServer;
let window: Window;

beforeAll(async () => {
  expect(PATHS).toBeGreaterThan(2 * PATHS_PER_MESSAGE);
  const paths = Array.from({ length: PATHS }, (_, n) => servicePath('a', n, 'original', 38_610));
  feed.put(serviceFlow('a', PATHS), ...paths.reverse());
  server = await servePage(feed);
  window = await Window.open();
});

afterAll(async () => {
  await window?.close();
  await server?.close();
});

test('a packet that a link asks for is shown, though it comes after others', async () => {
  const { page } = window;
  const oldest = 'a-original-0';
  await page.goto(`${server.url}/#/flow/a?dir=original&packet=${oldest}`);
  await page.getByTestId('hops').waitFor();
  expect(page.url()).toContain(`packet=${oldest}`);
  await page.waitForTimeout(5_000);
  expect(page.url()).toContain(`packet=${oldest}`);
});
