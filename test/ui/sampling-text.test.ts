import type { SamplingRecord } from 'hopscope-protocol';
import { expect, test } from 'vitest';
import { samplingText } from '../../ui/src/quality/sampling-text.js';

const AUTO: SamplingRecord = {
  ...{ mode: 'auto', sees: 'all', detail: 'all', traced: '1200', of: '50000' },
  ...{ budget: 0.05, cost: 0.034, windows: { opened: 3, requested: 1, crowded: 0 } },
};

test.each<[string, Partial<SamplingRecord>]>([
  ['every packet', {}],
  ['in windows', { sees: 'drops', detail: 'edges' }],
  // A window is open at this moment, and is no more than a window.
  ['in windows', { detail: 'edges' }],
  ['every packet', { mode: 'all', budget: null, cost: null }],
  ['1/16', { mode: '1/16', budget: null, cost: null }],
])('%s', (value, change) => {
  expect(samplingText({ ...AUTO, ...change }).value).toBe(value);
});

test('says what is seen between windows', () => {
  expect(samplingText({ ...AUTO, sees: 'new-flows' }).help).toMatch(/Between windows, new flows/);
  expect(samplingText(AUTO).help).not.toMatch(/new flows/);
});

test('says how many packets that is and what it costs', () => {
  expect(samplingText(AUTO).help).toMatch(
    /^1\D?200 packets seen whole of 50\D?000 counted; tracing takes 3\.4 % of a core, and may take 5 %\. /,
  );
  expect(samplingText({ ...AUTO, of: null, budget: null }).help).toMatch(
    /^1\D?200 packets seen whole$/,
  );
});
