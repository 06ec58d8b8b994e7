import { afterAll, beforeAll, expect, test } from 'vitest';
import { Window } from './chromium.js';
import { DemoProcess } from './demo-process.js';

let demo: DemoProcess;
let window: Window;

beforeAll(async () => {
  demo = await DemoProcess.start(0, '--replay');
  window = await Window.open();
});

afterAll(async () => {
  await window?.close();
  expect(await demo?.stop()).toBe(0);
});

test('where a recording is shown, the page says so and the terminal too', async () => {
  expect(demo.said).toContain('RECORDING');
  const { page } = window;
  await page.goto(demo.url);
  const header = page.getByRole('banner');
  await header.getByText('replay', { exact: true }).waitFor();
  expect(await header.textContent()).toContain('a recording of the lab, not live packets');
  await page.locator('tr[data-flow]').first().waitFor();
  await window.screenshot('replay');
});

test('it begins again at its end, with times that go on', async () => {
  const { page } = window;
  // What the cell links to is said before the time.
  const starts = async (): Promise<string[]> =>
    (await page.locator('td.col-start').allTextContents()).map(
      (text) => /[\d:.]+$/u.exec(text.trim())?.[0] ?? '',
    );
  const lastOfRound = async (): Promise<string> => (await starts()).sort().at(-1) ?? '';
  // A round takes some ten seconds; three times that has new flows in each part.
  let newest = await lastOfRound();
  for (let part = 0; part < 3; part++) {
    await expect
      .poll(lastOfRound, { timeout: 30_000, interval: 1000 })
      .toSatisfy((now: string) => now > newest && seconds(now) - seconds(newest) >= 8);
    newest = await lastOfRound();
  }
  expect(window.errors).toEqual([]);
});

/** Of a time of day as the table shows it. */
function seconds(text: string): number {
  const [hours = 0, minutes = 0, rest = 0] = text.trim().split(':').map(Number);
  return hours * 3600 + minutes * 60 + rest;
}
