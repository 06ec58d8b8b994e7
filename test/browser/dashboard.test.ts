import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Window } from './chromium.js';
import { DemoProcess } from './demo-process.js';

/** pod1 keeps one connection to this service open, whose endpoint is on the other node. */
const SERVICE = 'service:default/nginx-pod3 src:pod1 state:active';

let demo: DemoProcess;
let window: Window;

beforeAll(async () => {
  demo = await DemoProcess.start(0, '--encap', 'vxlan');
  window = await Window.open();
});

afterAll(async () => {
  await window?.close();
  expect(await demo?.stop()).toBe(0);
});

async function show(hash: string): Promise<void> {
  await window.page.goto(`${demo.url}/#/${hash}`);
  await window.page.getByTestId('connection').getByText('connected', { exact: true }).waitFor();
}

function flowsBy(filter: string): string {
  return `flows?q=${encodeURIComponent(filter)}`;
}

function rows(): Locator {
  return window.page.locator('tr[data-flow]');
}

async function openServiceFlow(): Promise<void> {
  await show(flowsBy(SERVICE));
  await rows().first().waitFor();
  await window.page.keyboard.press('j');
  await window.page.keyboard.press('Enter');
  await window.page.getByTestId('hops').waitFor();
  // It begins in the direction that matters.
  await window.page.getByTestId('direction-original').click();
}

async function text(locator: Locator): Promise<string> {
  return (await locator.textContent()) ?? '';
}

function hopAt(device: string, stage: string): Locator {
  return window.page.locator(`[data-testid=hop][data-dev="${device}"][data-stage=${stage}]`);
}

describe('the table', () => {
  test('shows a service flow with its address as sent and as it arrives', async () => {
    await show(flowsBy(SERVICE));
    const row = rows().first();
    await row.waitFor();
    await expect.poll(() => text(row)).toContain('10.107.161.3:8080');
    const shown = await text(row);
    for (const part of ['pod1', '10.244.153.204', 'nginx-pod3', 'pod3', '10.244.146.205:80']) {
      expect(shown).toContain(part);
    }
    expect(shown).toContain('delivered');
    expect(shown).toContain('vxlan +50');
    expect(await window.page.title()).toBe('Flows · hopscope');
    await window.screenshot('table-filtered');
  });

  test('shows what is dropped in words, with the reason', async () => {
    await show(flowsBy('verdict:dropped reason:NETFILTER_DROP'));
    const row = rows().first();
    await row.waitFor();
    expect(await text(row)).toMatch(/✕ dropped.*NETFILTER_DROP/);
  });

  test('keeps a row in place while its numbers change', async () => {
    await show(flowsBy(SERVICE));
    const row = rows().first();
    await row.waitFor();
    await row.evaluate((element) => element.setAttribute('data-mark', 'kept'));
    const rate = row.locator('.col-pps');
    const before = await text(rate);
    await expect.poll(() => text(rate), { timeout: 15_000 }).not.toBe(before);
    expect(await row.getAttribute('data-mark')).toBe('kept');
  });

  test('filters by a click on a value, keeps it in the address, and undoes it', async () => {
    const { page } = window;
    await show('flows');
    const service = page.locator('.col-dst button', { hasText: 'nginx-service' }).first();
    await service.click();
    expect(new URL(page.url()).hash).toContain('q=service%3Adefault%2Fnginx-service');
    await page.reload();
    await rows().first().waitFor();
    expect(await page.getByRole('combobox').inputValue()).toBe('service:default/nginx-service');
    for (const cell of await page.locator('.col-dst').allTextContents()) {
      expect(cell).toContain('nginx-service');
    }
    expect(await text(page.getByTestId('count'))).toMatch(/\d+ of \d+ flows/);
    await page.locator('.chip', { hasText: 'nginx-service' }).click();
    expect(page.url()).not.toContain('q=');
    await window.screenshot('table');
  });

  test('says what to do when nothing matches', async () => {
    await show(flowsBy('no-such-thing'));
    await window.page.getByText('No flow matches the filter.').waitFor();
    await window.page.getByRole('button', { name: 'Clear the filter' }).click();
    await rows().first().waitFor();
  });

  test('sorts by a column both ways, in the address too', async () => {
    const { page } = window;
    await show('flows');
    const header = page.getByRole('columnheader', { name: 'p99' });
    await header.getByRole('button').click();
    expect(await header.getAttribute('aria-sort')).toBe('descending');
    expect(page.url()).toContain('sort=-p99');
    await header.getByRole('button').click();
    expect(await header.getAttribute('aria-sort')).toBe('ascending');
  });

  test('is worked by the keyboard', async () => {
    const { page } = window;
    await show('flows');
    await rows().first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type(SERVICE);
    await page.keyboard.press('Enter');
    await expect.poll(() => rows().count()).toBeGreaterThan(0);
    await page.keyboard.press('j');
    expect(await page.locator('tr[aria-selected=true]').count()).toBe(1);
    await page.keyboard.press('Enter');
    await page.getByTestId('hops').waitFor();
    expect(page.url()).toContain('#/flow/');
    await page.keyboard.press('Escape');
    await page.getByRole('combobox').waitFor();
    expect(await page.getByRole('combobox').inputValue()).toBe(SERVICE);
    await page.keyboard.press('Escape');
    expect(await page.getByRole('combobox').inputValue()).toBe('');

    await page.keyboard.press('Space');
    await page.getByTestId('paused').waitFor();
    // The sign that it is paused takes room: the table may show a row less from then on.
    await page.waitForTimeout(500);
    const frozen = await rows().allTextContents();
    try {
      await page.waitForTimeout(2500);
      expect(await rows().allTextContents()).toEqual(frozen);
    } finally {
      // Or every test after this one has a page that stands still.
      await page.keyboard.press('Space');
    }
    await page.getByTestId('paused').waitFor({ state: 'detached' });
    await expect.poll(() => rows().allTextContents(), { timeout: 10_000 }).not.toEqual(frozen);

    await page.keyboard.press('?');
    await page.getByRole('dialog').getByText('Next flow').waitFor();
    await window.screenshot('help');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });
});

describe('a flow', () => {
  test('shows its hops by device from pod to pod, and what changed at each', async () => {
    const { page } = window;
    await openServiceFlow();
    expect(await page.title()).toBe('pod1 → nginx-pod3 · hopscope');
    const hops = page.getByTestId('hops');
    await expect.poll(() => text(hops)).toContain('pod3');
    const devices = await page
      .getByTestId('hop')
      .evaluateAll((elements) =>
        elements
          .filter((element) => ['egress', 'ingress'].includes(element.dataset['stage'] ?? ''))
          .map((element) => `${element.dataset['dev']} ${element.dataset['stage']}`),
      );
    // The segment between the nodes is a bridge of the lab's own, seen as well.
    expect(devices.filter((device) => !device.startsWith('lan-'))).toEqual([
      'eth0 egress',
      'calice0906292e2 ingress',
      'vxlan.calico egress',
      'ens10 egress',
      'ens10 ingress',
      'vxlan.calico ingress',
      'cali118af4ccd16 egress',
      'eth0 ingress',
    ]);
    const translated = page.locator('[data-change=destination]');
    expect(await text(translated)).toContain('10.107.161.3:8080 → 10.244.146.205:80');
    expect(await text(translated)).toContain('by nat');
    const outer = page.locator('[data-change=outer]');
    expect(await outer.allTextContents()).toEqual([
      expect.stringMatching(/^\s*\+vxlan VNI 4096 192\.168\.100\.111 → 192\.168\.100\.112/),
      expect.stringMatching(/^\s*−vxlan/),
    ]);
    expect(await page.locator('[data-change=ttl]').count()).toBe(2);
    expect(await page.locator('[data-change=mac]').count()).toBeGreaterThanOrEqual(4);
    // Every hop but the first has a time.
    for (const time of await page.locator('[data-testid=hop] .ns').allTextContents()) {
      expect(time.trim()).toMatch(/^(start|\+[\d.]+ (ns|µs|ms))$/);
    }
    expect(await text(page.getByTestId('path-verdict'))).toContain('delivered');
    await window.screenshot('flow');
  });

  test('holds the order of the table and says so', async () => {
    await openServiceFlow();
    await window.page.getByTestId('held').getByText('Order held').waitFor();
    await window.page.keyboard.press('Escape');
    // Its row has the focus, and holds the order too.
    await window.page.mouse.move(0, 0);
    await window.page.evaluate('document.activeElement.blur()');
    await window.page.getByTestId('held').waitFor({ state: 'detached' });
  });

  test('shows a packet in full at a hop, and stays at that packet', async () => {
    const { page } = window;
    await openServiceFlow();
    await page.getByTestId('held-path').click();
    await page.getByTestId('following').waitFor();
    await hopAt('ens10', 'egress').getByRole('button').click();
    const details = page.getByTestId('hop-details');
    await details.waitFor();
    const shown = await text(details);
    expect(shown).toContain('vxlan VNI 4096');
    expect(shown).toContain('50 bytes');
    expect(shown).toContain('10.244.146.205:80');
    await page.getByTestId('held-path').waitFor();
    const total = await text(page.getByTestId('path-total'));
    await page.waitForTimeout(2500);
    expect(await text(page.getByTestId('path-total'))).toBe(total);
    await details.scrollIntoViewIfNeeded();
    await window.screenshot('flow-details');
    await page.getByTestId('held-path').click();
    await page.getByTestId('following').waitFor();
  });

  test('shows the way back with the service put in again', async () => {
    const { page } = window;
    await openServiceFlow();
    await page.keyboard.press('d');
    await expect
      .poll(() => page.locator('[data-change=source]').allTextContents())
      .toEqual([expect.stringContaining('10.244.146.205:80 → 10.107.161.3:8080')]);
    await hopAt('cali118af4ccd16', 'ingress').waitFor();
  });

  test('begins with the answer, which leads to the hop', async () => {
    const { page } = window;
    await openServiceFlow();
    const answer = page.getByTestId('answer');
    await expect.poll(() => text(answer)).toMatch(/Slowest: .+, p50 .+, \d+% of the way/);
    await answer.getByRole('button').click();
    await expect.poll(() => page.locator('[data-testid=hop].target').count()).toBe(1);
    // What is shown is in the address, so that the address can be passed on.
    await expect.poll(() => page.url()).toMatch(/dir=(original|reply)&packet=[0-9a-f]+/);
    const packet = /packet=([0-9a-f]+)/.exec(page.url())?.[1];
    await page.reload();
    await page.getByTestId('hops').waitFor();
    await expect.poll(() => page.url()).toContain(`packet=${packet}`);
  });

  test('shows the way as lanes, both directions, with tunnel and translation', async () => {
    const { page } = window;
    await openServiceFlow();
    const lane = page.getByTestId('lane-original');
    await expect.poll(() => text(lane)).toContain('vxlan VNI 4096');
    for (const part of ['pod1', 'node111', 'node112', 'pod3', 'to', '10.244.146.205:80']) {
      expect(await text(lane)).toContain(part);
    }
    await page.getByTestId('lane-reply').waitFor();
    await page.getByTestId('lane-reply').getByRole('button').first().click();
    await expect
      .poll(() => page.getByTestId('direction-reply').getAttribute('aria-pressed'))
      .toBe('true');
    await window.screenshot('flow-lanes');
  });

  test('has packets one by one, and the slowest of them at a key', async () => {
    const { page } = window;
    await openServiceFlow();
    const packets = page.getByTestId('waterfall').getByRole('button');
    await expect.poll(() => packets.count(), { timeout: 15_000 }).toBeGreaterThan(2);
    await page.keyboard.press('s');
    await expect
      .poll(() =>
        page.getByRole('button', { name: 'slowest', exact: true }).getAttribute('aria-pressed'),
      )
      .toBe('true');
  });

  test('has a table of hops that sorts, with shares, counts and spreads', async () => {
    const { page } = window;
    await openServiceFlow();
    const table = page.getByTestId('hop-table');
    await table.getByRole('button', { name: 'p50' }).click();
    expect(await table.getByRole('columnheader', { name: 'p50' }).getAttribute('aria-sort')).toBe(
      'descending',
    );
    await expect.poll(() => text(table.locator('.share').first())).toMatch(/\d+ %/);
    expect(await table.getByRole('img').first().getAttribute('aria-label')).toMatch(/packets? in/);
    await page.getByRole('button', { name: 'last 10 s' }).click();
    await expect.poll(() => text(table.locator('tbody tr').first())).toMatch(/µs|ms/);
  });

  test('shows how TCP fares', async () => {
    const { page } = window;
    await show(flowsBy('service:default/nginx-service verdict:delivered proto:tcp'));
    await rows().first().locator('.col-start').click();
    const health = page.getByTestId('tcp-health');
    await health.waitFor();
    await expect.poll(() => text(health)).toMatch(/one SYN, answer after/);
    await expect.poll(() => text(health)).toMatch(/p50 .+, p99 .+ of \d+/);
  });

  test('shows how a dropped packet ended', async () => {
    const { page } = window;
    await show(flowsBy('verdict:dropped reason:NETFILTER_DROP client'));
    await rows().first().locator('.col-start').click();
    await page.getByTestId('hops').waitFor();
    expect(await page.locator('[data-testid=hop][data-stage=drop]').count()).toBe(1);
    expect(await text(page.getByTestId('path-verdict'))).toMatch(/dropped.*NETFILTER_DROP/);
    await page.locator('[data-testid=hop][data-stage=drop]').scrollIntoViewIfNeeded();
    await window.screenshot('flow-dropped');
  });

  test('shows the chain through a proxy, and leads to its other flow', async () => {
    const { page } = window;
    await show(flowsBy('service:default/ingress verdict:delivered'));
    await rows().first().locator('.col-start').click();
    const chain = page.getByTestId('proxy-chain');
    await chain.waitFor();
    const [first, second] = [chain.locator('a').first(), chain.locator('a').last()];
    expect(await text(first)).toMatch(/client → ingress → pod2/);
    expect(await text(second)).toMatch(/pod2 → nginx-pod3 → pod3/);
    expect(await first.getAttribute('aria-current')).toBe('page');
    await window.screenshot('flow-chain');
    await second.click();
    await page.locator('h1', { hasText: 'nginx-pod3' }).waitFor();
    await expect.poll(() => second.getAttribute('aria-current')).toBe('page');
    expect(await text(first)).toMatch(/client → ingress → pod2/);
  });

  test('has charts that move', async () => {
    const { page } = window;
    await openServiceFlow();
    for (const id of ['packets', 'bytes', 'p50', 'p99']) {
      const chart = page.getByTestId(`chart-${id}`);
      await chart.scrollIntoViewIfNeeded();
      const points = async (): Promise<number> => Number(await chart.getAttribute('data-points'));
      const values = async (): Promise<string | null> => chart.getAttribute('data-values');
      const image = (): Promise<string> =>
        chart
          .locator('canvas')
          .evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
      await expect.poll(values, { timeout: 10_000 }).toMatch(/[1-9]/);
      const before = { points: await points(), values: await values(), image: await image() };
      await expect.poll(points, { timeout: 10_000 }).toBeGreaterThan(before.points + 2);
      await expect.poll(values, { timeout: 15_000 }).not.toBe(before.values);
      expect(await image()).not.toBe(before.image);
    }
    await page.waitForTimeout(8000);
    await window.screenshot('flow-latency');
  });
});

describe('encapsulation and MTU', () => {
  test('a page of faults, of what the tunnel costs, and of the ways from pods', async () => {
    await show('mtu');
    const { page } = window;
    const costs = page.getByTestId('mtu-costs').locator('tbody tr');
    await costs.first().waitFor({ timeout: 60_000 });
    expect(await costs.first().textContent()).toMatch(/^\s*vxlan\+50\s*all/u);
    await page.getByTestId('mtu-ways').waitFor({ timeout: 60_000 });
    await page.getByTestId('mtu-no-fault').waitFor();
    await window.screenshot('mtu');
  });

  test('the packet of a flow in the devices of its way', async () => {
    await openServiceFlow();
    const parts = window.page.getByTestId('mtu-pipe').locator('li');
    await parts.first().waitFor();
    const texts = await parts.allTextContents();
    expect(texts.some((text) => text.includes('ens10') && text.includes('+50'))).toBe(true);
    expect(texts.some((text) => text.includes('too large'))).toBe(false);
  });
});

describe('the page', () => {
  test('shows how good its data are', async () => {
    const { page } = window;
    await show('flows');
    const strip = page.getByRole('contentinfo', { name: 'Data quality' });
    await expect.poll(() => text(page.getByTestId('events'))).toMatch(/^[\d.]+( k)?$/);
    for (const figure of ['every packet traced', 'lost', 'evicted', 'malformed', 'own CPU']) {
      expect((await text(strip)).replaceAll(/\s+/gu, ' ')).toContain(figure);
    }
    await strip.getByRole('button', { name: /capabilit/ }).click();
    await page.getByText('Missing capabilities').waitFor();
    await window.screenshot('quality');
    await strip.getByRole('button', { name: /capabilit/ }).click();
  });

  test.each([
    [1280, 720],
    [1920, 1080],
    [480, 800],
  ])('fits %i by %i', async (width, height) => {
    const { page } = window;
    await page.setViewportSize({ width, height });
    await show('flows');
    await rows().first().waitFor();
    const overflow = (): Promise<number> =>
      page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    expect(await overflow()).toBeLessThanOrEqual(0);
    await window.screenshot(`table-${width}`);
    await openServiceFlow();
    expect(await overflow()).toBeLessThanOrEqual(0);
    await window.screenshot(`flow-${width}`);
    await page.setViewportSize({ width: 1280, height: 720 });
  });

  test('has had no error so far, nor broken its own security policy', () => {
    expect(window.errors).toEqual([]);
  });

  test('comes back by itself when the daemon does, to the same flow table', async () => {
    const { page } = window;
    await show(flowsBy('service:default/nginx-service'));
    await rows().first().waitFor();
    expect(await demo.stop()).toBe(0);
    await page.getByTestId('disconnected').waitFor();
    expect(await text(page.getByTestId('connection'))).toBe('disconnected');
    await window.screenshot('disconnected');
    const before = new Set(
      await rows().evaluateAll((all) => all.map((row) => row.dataset['flow'])),
    );
    expect(before.size).toBeGreaterThan(0);

    demo = await DemoProcess.start(Number(new URL(demo.url).port), '--encap', 'vxlan');
    await page.getByTestId('disconnected').waitFor({ state: 'detached', timeout: 20_000 });
    await expect.poll(() => text(page.getByTestId('connection'))).toBe('connected');
    // Flows of the old run are gone, those of the new one come.
    await expect
      .poll(
        async () => {
          const now = await rows().evaluateAll((all) => all.map((row) => row.dataset['flow']));
          return now.length > 0 && now.every((id) => !before.has(id));
        },
        { timeout: 20_000 },
      )
      .toBe(true);
    expect(await page.getByRole('combobox').inputValue()).toBe('service:default/nginx-service');
  });
});
