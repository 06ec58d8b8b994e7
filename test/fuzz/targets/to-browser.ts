import { parseServerMessage } from 'hopscope-protocol';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

const CODES = new Set(['not-json', 'no-type', 'unknown-type', 'bad-field']);

/** What a page reads from a server that may not be hopscope. */
export const TO_BROWSER_TARGET: Target = {
  name: 'to-browser',
  kind: 'json',
  longest: 16 << 10,
  words: [
    ...['type', 'hello', 'flows', 'flow', 'quality', 'error', 'rows', 'removed', 'paths', 'chain'],
    ...['id', 'rates', 'original', 'reply', 'hops', 'verdict', 'delivered', 'mtu', 'largest'],
    ...['__proto__', 'constructor', 'hasOwnProperty', '123', '-1'],
  ],
  era: null,
  lanes: 1,
  leastGood: 0.1,
  begin: () => new ToBrowserEra(),
};

class ToBrowserEra implements Era {
  good = 0;

  check(input: Uint8Array, _random: Random): void {
    const parsed = parseServerMessage(Buffer.from(input).toString());
    if (!parsed.ok) {
      if (!CODES.has(parsed.code)) throw new Error(`code ${parsed.code}`);
      // It is shown on the page.
      if (parsed.message.length > 1000) throw new Error('a message without end');
      return;
    }
    const again = parseServerMessage(JSON.stringify(parsed.value));
    if (!again.ok) throw new Error(`what was read is not read again: ${again.message}`);
    this.good += 1;
  }
}
