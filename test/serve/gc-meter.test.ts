import { expect, test } from 'vitest';
import { GcMeter } from '../../src/serve/gc-meter.js';

/** Long enough for garbage of so many bytes to be collected. */
const GARBAGE = 64 << 20;

test('collections are counted, with the time they took, by kind', async () => {
  const meter = new GcMeter();
  try {
    const kept: object[] = [];
    for (let bytes = 0; bytes < GARBAGE; bytes += 1024) {
      kept[bytes % 100] = Array.from({ length: 100 }, (_, n) => ({ n }));
    }
    // Entries are queued on a later turn of the event loop.
    while (meter.read().minor.count === 0) await new Promise((resolve) => setImmediate(resolve));
    const { minor } = meter.read();
    expect(minor.seconds).toBeGreaterThan(0);
    expect(meter.read().minor.count).toBeGreaterThanOrEqual(minor.count);
  } finally {
    meter.close();
  }
});
