import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningServer } from '../../src/serve/server.js';
import { FIXTURE_EPOCH, FixtureFeed, serviceFlow } from '../serve/fixture-feed.js';
import { Window } from './chromium.js';
import { servePage } from './fixture-page.js';

const feed = new FixtureFeed();
let server: RunningServer;
let window: Window;
let made = 0;

/** A flow that began after all others, and so belongs on top. */
function putNewest(): void {
  made += 1;
  const start = String(FIXTURE_EPOCH + BigInt(made) * 1_000_000_000n);
  feed.put({ ...serviceFlow(`flow${made}`, 1, 30_000 + made), start });
}

beforeAll(async () => {
  for (let n = 0; n < 80; n++) putNewest();
  server = await servePage(feed);
  window = await Window.open();
  // Wide enough for every column.
  await window.page.setViewportSize({ width: 1920, height: 800 });
  await window.page.goto(server.url);
  await window.page.locator('tr[data-flow]').first().waitFor();
});

afterAll(async () => {
  await window?.close();
  await server?.close();
});

function shown(): Promise<(string | undefined)[]> {
  return window.page
    .locator('tr[data-flow]')
    .evaluateAll((rows) => rows.slice(0, 12).map((row) => row.dataset['flow']));
}

test('new flows come on top while nobody looks', async () => {
  await window.page.mouse.move(640, 20);
  putNewest();
  await expect.poll(async () => (await shown())[0]).toBe(`flow${made}`);
});

test('while the pointer is over the rows they stay, values go on, and a pill has what is new', async () => {
  const { page } = window;
  await page.locator('tr[data-flow]').nth(3).hover();
  await page.getByTestId('held').waitFor();
  const before = await shown();
  for (let n = 0; n < 7; n++) putNewest();
  const first = before[0] as string;
  const flow = serviceFlow(first, 777, 30_000 + Number(first.slice(4)));
  const start = String(FIXTURE_EPOCH + BigInt(first.slice(4)) * 1_000_000_000n);
  feed.put({ ...flow, start, state: 'closing' });
  const pill = page.getByTestId('apply-order');
  await expect.poll(() => pill.textContent()).toMatch(/▲ 7 new/);
  expect(await shown()).toEqual(before);
  await expect
    .poll(() => page.locator(`tr[data-flow=${first}] .col-state`).textContent())
    .toContain('closing');
  await window.screenshot('rows-held');
  await pill.click();
  await expect.poll(async () => (await shown())[0]).toBe(`flow${made}`);
});

test('while a row has the focus they stay', async () => {
  const { page } = window;
  await page.mouse.move(640, 20);
  await page.keyboard.press('j');
  await page.getByTestId('held').waitFor();
  const before = await shown();
  putNewest();
  await page.waitForTimeout(1200);
  expect(await shown()).toEqual(before);
  await page.evaluate('document.activeElement.blur()');
  await expect.poll(async () => (await shown())[0]).toBe(`flow${made}`);
});

test('while the list is scrolled they stay', async () => {
  const { page } = window;
  await page.locator('.scroller').evaluate((scroller) => scroller.scrollTo(0, 300));
  await page.getByTestId('held').waitFor();
  putNewest();
  await expect.poll(() => page.getByTestId('apply-order').textContent()).toMatch(/▲ 1 new/);
  await page.locator('.scroller').evaluate((scroller) => scroller.scrollTo(0, 0));
  await page.getByTestId('held').waitFor({ state: 'detached' });
});

test('another filter that comes by the address is not kept waiting', async () => {
  const { page } = window;
  await page.keyboard.press('j');
  await page.getByTestId('held').waitFor();
  await page.evaluate("location.hash = '#/flows?q=port%3A30005'");
  await expect.poll(shown).toEqual(['flow5']);
  await page.evaluate("location.hash = '#/flows'");
  await expect.poll(async () => (await shown()).length).toBe(12);
  await page.evaluate('document.activeElement.blur()');
});

test('a narrow window drops single columns, least important first, and says which', async () => {
  const { page } = window;
  const columns = (): Promise<string[]> => page.locator('thead th').allTextContents();
  await page.setViewportSize({ width: 1920, height: 800 });
  await expect.poll(async () => (await columns()).length).toBe(13);
  let before = 13;
  for (const width of [1200, 1100, 1000, 900]) {
    await page.setViewportSize({ width, height: 800 });
    await page.waitForTimeout(300);
    const now = await columns();
    expect(now.length).toBeLessThanOrEqual(before);
    before = now.length;
    for (const kept of ['Source', 'Sent to', 'Verdict']) {
      expect(
        now.some((label) => label.includes(kept)),
        `${kept} at ${width}`,
      ).toBe(true);
    }
  }
  expect(await page.getByTestId('columns-hidden').textContent()).toMatch(/not fit.*Last/s);
  await page.setViewportSize({ width: 1920, height: 800 });
});

test('columns are chosen, moved and sized, and that is remembered', async () => {
  const { page } = window;
  const columns = async (): Promise<string[]> =>
    (await page.locator('thead th').allTextContents()).map((label) =>
      label.replace(/[▲▼]/g, '').trim(),
    );
  await page.getByTestId('column-menu').locator('summary').click();
  await page.getByRole('checkbox', { name: 'State' }).uncheck();
  await page.getByRole('button', { name: 'Started to the right' }).click();
  await page.getByRole('button', { name: 'Source wider' }).click();
  await expect.poll(columns).not.toContain('State');
  await page.reload();
  await page.locator('tr[data-flow]').first().waitFor();
  expect(await columns()).not.toContain('State');
  expect((await columns())[0]).not.toBe('Started');
  await page.getByTestId('column-menu').locator('summary').click();
  await page.getByRole('button', { name: 'As they were' }).click();
  expect((await columns())[0]).toBe('Started');
});

test('has had no error', () => {
  expect(window.errors).toEqual([]);
});
