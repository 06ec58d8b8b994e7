import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunningServer } from '../../src/serve/server.js';
import {
  droppedFlow,
  droppedPath,
  FixtureFeed,
  serviceFlow,
  servicePath,
} from '../serve/fixture-feed.js';
import { Window } from './chromium.js';
import { servePage } from './fixture-page.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const FLOWS = 60;

const feed = new FixtureFeed();
let server: RunningServer;
let window: Window;

beforeAll(async () => {
  for (let n = 0; n < FLOWS; n++) {
    const id = `flow${n}`;
    const port = 40_000 + n;
    if (n % 10 === 0) feed.put(droppedFlow(id, 1 + n, port), droppedPath(id, 1, port));
    else {
      feed.put(
        serviceFlow(id, 1 + n, port),
        servicePath(id, 1, 'original', port),
        servicePath(id, 2, 'original', port),
        servicePath(id, 1, 'reply', port),
      );
    }
  }
  server = await servePage(feed);
  window = await Window.open();
});

afterAll(async () => {
  await window?.close();
  await server?.close();
});

async function show(hash: string): Promise<Page> {
  const { page } = window;
  await page.goto(`${server.url}/#/${hash}`);
  await page.getByTestId('connection').getByText('connected', { exact: true }).waitFor();
  return page;
}

/** What axe finds wrong with the page as it is, a line each. */
async function findings(page: Page): Promise<string[]> {
  // As a string it is no inline script: the page's security policy does not ask the debugger.
  await page.evaluate(AXE);
  return page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) =>
      id + ' ' + target.join(' ') + ' ' + failureSummary)))`);
}

const SIZES = [
  [1280, 800],
  [1920, 1080],
  [820, 1180],
  [390, 844],
] as const;
const VIEWS = [
  'drops',
  'flows',
  'flows?q=nothing-matches',
  'flow/flow1',
  'flow/flow10',
  'flow/none',
];

describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
  beforeAll(() => window.page.emulateMedia({ colorScheme }));

  test.each(VIEWS)('axe finds nothing on #/%s', async (view) => {
    const page = await show(view);
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      await page.waitForTimeout(600);
      expect(await findings(page), `${width}x${height}`).toEqual([]);
      const name = view.replaceAll(/\W+/g, '-');
      await window.screenshot(`manners-${name}-${width}-${colorScheme}`);
      expect(
        await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth'),
      ).toBeLessThanOrEqual(0);
    }
  });
});

test('targets are 24 pixels high and wide at least', async () => {
  for (const view of ['flows', 'flow/flow1']) {
    const page = await show(view);
    await page.waitForTimeout(500);
    const small = await page.evaluate<
      string[]
    >(`[...document.querySelectorAll('button, summary, select, input')]
      .filter((one) => one.offsetParent !== null && !one.closest('td, .skip'))
      .map((one) => [one, one.getBoundingClientRect()])
      .filter(([, box]) => box.height > 0 && (box.height < 23.5 || box.width < 23.5))
      .filter(([one]) => one.type !== 'checkbox')
      .map(([one, box]) => one.outerHTML.slice(0, 120) + ' ' + box.width + 'x' + box.height)`);
    expect(small, view).toEqual([]);
  }
});

test('the focus goes to the heading of a flow, and back to its row', async () => {
  const page = await show('flows');
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.locator('tr[data-flow]').first().waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  const row = await page.locator('tr[aria-selected=true]').getAttribute('data-flow');
  await page.keyboard.press('Enter');
  const focused = (): Promise<string> => page.evaluate<string>('document.activeElement.id');
  await expect.poll(focused).toBe('flow-title');
  await page.keyboard.press('Escape');
  await expect.poll(focused).toBe(`row-${row}`);
});

test('a skip link leads past the bar', async () => {
  const page = await show('flows');
  await page.reload();
  await page.locator('tr[data-flow]').first().waitFor();
  await page.keyboard.press('Tab');
  await page.getByText('Skip to the content').waitFor();
  await page.keyboard.press('Enter');
  expect(await page.evaluate('document.activeElement.id')).toBe('content');
});

test('colours are as the system has them, or as chosen, and remembered', async () => {
  const page = await show('flows');
  const background = (): Promise<string> =>
    page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await background();
  await page.emulateMedia({ colorScheme: 'light' });
  const light = await background();
  expect(light).not.toBe(dark);
  await page.getByRole('button', { name: 'Colours: auto' }).click();
  await page.getByRole('button', { name: 'Colours: light' }).click();
  expect(await background()).toBe(dark);
  await page.reload();
  expect(await background()).toBe(dark);
  await page.getByRole('button', { name: 'Colours: dark' }).click();
});

test('charts are drawn in the colours of the page', async () => {
  const page = await show('flow/flow1');
  await page.emulateMedia({ colorScheme: 'dark' });
  const image = (): Promise<string> =>
    page
      .getByTestId('chart-packets')
      .locator('canvas')
      .evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
  await page.getByTestId('chart-packets').scrollIntoViewIfNeeded();
  await page.waitForTimeout(1500);
  const dark = await image();
  await page.emulateMedia({ colorScheme: 'light' });
  await expect.poll(image).not.toBe(dark);
});

test('with forced colours bars keep theirs', async () => {
  const page = await show('flow/flow1');
  await page.emulateMedia({ forcedColors: 'active' });
  const bar = page.locator('[data-testid=hop] .bar i').nth(2);
  await bar.waitFor();
  const adjust = page.evaluate<string>(
    "getComputedStyle(document.querySelectorAll('[data-testid=hop] .bar i')[2]).forcedColorAdjust",
  );
  expect(await adjust).toBe('none');
  await window.screenshot('manners-forced');
  await page.emulateMedia({ forcedColors: 'none' });
});

test('nothing moves where motion is to be reduced', async () => {
  const page = await show('flows');
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const moving = await page.evaluate<number>(`[...document.querySelectorAll('*')].filter((one) => {
    const { animationName, transitionDuration } = getComputedStyle(one);
    return animationName !== 'none' || transitionDuration.split(', ').some((time) => parseFloat(time) > 0);
  }).length`);
  expect(moving).toBe(0);
  await page.emulateMedia({ reducedMotion: 'no-preference' });
});

test('has had no error, nor broken its own security policy', () => {
  expect(window.errors).toEqual([]);
});
