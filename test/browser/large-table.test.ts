import { fileURLToPath } from 'node:url';
import { ROW_WINDOW } from 'hopscope-protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startServer } from '../../src/serve/server.js';
import { FixtureCollector } from '../serve/fixture-collector.js';
import { FixtureFeed, serviceFlow, servicePath } from '../serve/fixture-feed.js';
import { Window } from './chromium.js';

const FLOWS = ROW_WINDOW + 500;

const feed = new FixtureFeed();
let server: RunningServer;
let window: Window;

/** Port of the flow number `index`; the flows differ in it. */
function port(index: number): number {
  return 10_000 + index;
}

beforeAll(async () => {
  for (let index = 0; index < FLOWS; index++) {
    feed.put(
      serviceFlow(`flow${index}`, 1 + index, port(index)),
      servicePath(`flow${index}`, index, 'original', port(index)),
    );
  }
  server = await startServer({
    collector: new FixtureCollector(feed),
    run: 'one',
    uiDirectory: fileURLToPath(new URL('../../dist/ui', import.meta.url)),
    info: {
      version: '0',
      node: 'node111',
      kernel: '0',
      mode: 'live',
      description: 'many flows',
      missing: ['a thing this kernel lacks'],
    },
    port: 0,
  });
  window = await Window.open();
});

afterAll(async () => {
  await window?.close();
  await server?.close();
});

test('holds the flows that changed last, says how many, and draws only what is seen', async () => {
  const { page } = window;
  await page.goto(server.url);
  const count = page.getByTestId('count');
  await expect
    .poll(() => count.textContent(), { timeout: 30_000 })
    .toMatch(/5\s000 of 5\s500 flows.*newest 5\s000 held here/s);
  expect(await page.locator('tr[data-flow]').count()).toBeLessThan(60);
  await window.screenshot('table-large');
});

test('a filter reaches the flows that are not held', async () => {
  const { page } = window;
  await page.keyboard.press('/');
  await page.keyboard.type(`port:${port(3)}`);
  await expect.poll(() => page.locator('tr[data-flow]').count(), { timeout: 20_000 }).toBe(1);
  expect(await page.locator('tr[data-flow]').getAttribute('data-flow')).toBe('flow3');
  // The first leaves the field, the second clears it.
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await expect
    .poll(() => page.getByTestId('count').textContent(), { timeout: 30_000 })
    .toMatch(/5\s000 of 5\s500/);
});

test('scrolls and moves to either end by the keyboard', async () => {
  const { page } = window;
  await page.keyboard.press('Escape');
  await page
    .locator('h1')
    .first()
    .evaluate(() => undefined);
  const selected = page.locator('tr[aria-selected=true]');
  await expect
    .poll(
      async () => {
        await page.keyboard.press('G');
        await selected.waitFor();
        return selected.getAttribute('aria-rowindex');
      },
      { timeout: 10_000 },
    )
    .toBe(String(ROW_WINDOW + 1));
  // The filter is gone, and the rows that it hid may still be coming: a selection goes with its
  // flow, so what was the first row when the key was pressed may have others above it by now.
  await expect
    .poll(
      async () => {
        await page.keyboard.press('g');
        return selected.getAttribute('aria-rowindex');
      },
      { timeout: 10_000 },
    )
    .toBe('2');
});

test('what comes while paused is there after resuming, also across a new connection', async () => {
  const { page } = window;
  await page.keyboard.press('Space');
  await page.getByTestId('paused').waitFor();
  feed.put({ ...serviceFlow('late', 9999, 9), start: '1795299999000000000' });
  await page.waitForTimeout(2500);
  expect(await page.locator('tr[data-flow=late]').count()).toBe(0);
  // The new connection gets all rows at once, before it can learn of the pause.
  const taken = server.port;
  await server.close();
  await page.getByTestId('disconnected').waitFor();
  server = await startServer({
    collector: new FixtureCollector(feed),
    run: 'two',
    uiDirectory: fileURLToPath(new URL('../../dist/ui', import.meta.url)),
    info: { version: '0', node: 'n', kernel: '0', mode: 'live', description: '', missing: [] },
    port: taken,
  });
  await page.getByTestId('disconnected').waitFor({ state: 'detached' });
  await page.waitForTimeout(1500);
  expect(await page.locator('tr[data-flow=late]').count()).toBe(0);
  await page.keyboard.press('Space');
  await page.locator('tr[data-flow=late]').waitFor();
  expect(window.errors.filter((error) => !error.includes('WebSocket'))).toEqual([]);
});

test('names that came from the network are text, not markup', async () => {
  const { page } = window;
  const flow = serviceFlow('markup', 12_000, 8);
  const name = '<img src=x onerror="document.title=1">';
  feed.put({ ...flow, src: { ...flow.src, name }, start: '1795299999900000000' });
  await expect
    .poll(() => page.locator('tr[data-flow=markup] .col-src').textContent())
    .toContain(name);
  expect(await page.locator('img').count()).toBe(0);
});

test('the order is of all flows, not of those that the page holds', async () => {
  const { page } = window;
  const { id } = serviceFlow('slow', 2, 9_999);
  const slow = serviceFlow('slow', 2, 9_999);
  feed.put({
    ...slow,
    latencyNs: { original: { count: '2', p50: 9e9, p90: 9e9, p99: 9e9, max: 9e9 }, reply: null },
  });
  // Changed longest ago of all: what changed last fills the page without it.
  for (let index = 0; index < FLOWS; index++) {
    feed.put(serviceFlow(`flow${index}`, 20_000 + index, port(index)));
  }
  await page.goto(`${server.url}/#/flows?sort=-p99`);
  await expect
    .poll(() => page.locator('tr[data-flow]').first().getAttribute('data-flow'), {
      timeout: 30_000,
    })
    .toBe(id);
  await page.goto(`${server.url}/#/flows?sort=p99`);
  await expect
    .poll(() => page.locator('tr[data-flow]').first().getAttribute('data-flow'), {
      timeout: 30_000,
    })
    .not.toBe(id);
});
