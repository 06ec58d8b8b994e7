import { mutateText } from './mutate-text.js';
import type { Random } from './random.js';

type Node = unknown[] | Record<string, unknown>;

/** What stands where something else is expected. */
const ODD_VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, -1e-7],
  ...['', '0', '-0', '18446744073709551616', '99999999999999999999', '1e3', 'x'.repeat(300)],
  ...['\u001b]0;x\u0007', '\u202e', '\ud800', '\0', '__proto__', 'constructor', 'toString'],
  ...[[], {}, [[]], [null], [[[[[[[[]]]]]]]], { length: 3 }, { toString: 1 }, { toJSON: null }],
  ...[Array(100).fill(0), Array(40).fill('x')],
];

/** A JSON text that differs in a value or two; now and then in its letters too. */
export function mutateJson(
  text: string,
  random: Random,
  words: readonly string[],
  other: string,
): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return mutateText(text, random, words, other);
  }
  for (let i = random.below(4); i > 0; i--) value = changed(value, random, words, other);
  const written = JSON.stringify(value) ?? '';
  return random.below(4) === 0 ? mutateText(written, random, words, other) : written;
}

function changed(value: unknown, random: Random, words: readonly string[], other: string): unknown {
  const places = placesOf(value);
  if (places.length === 0) return random.pick(ODD_VALUES);
  const { node, key } = random.pick(places);
  const fields = node as Record<string, unknown>;
  switch (random.below(6)) {
    case 0:
      if (Array.isArray(node)) node.splice(Number(key), 1);
      else delete fields[key];
      break;
    case 1:
      if (Array.isArray(node)) node.push(node[Number(key)]);
      else fields[words.length === 0 ? 'x' : random.pick(words)] = fields[key];
      break;
    case 2: {
      const from = random.pick(places);
      fields[key] = structuredClone((from.node as Record<string, unknown>)[from.key]);
      break;
    }
    case 3: {
      const present = fields[key];
      fields[key] =
        typeof present === 'string'
          ? mutateText(present, random, words, other)
          : typeof present === 'number'
            ? present + random.below(7) - 3
            : random.pick(words.length === 0 ? ODD_VALUES : words);
      break;
    }
    default:
      fields[key] = structuredClone(random.pick(ODD_VALUES));
  }
  return value;
}

/** Every value within a value, by where it is. */
function placesOf(value: unknown): { node: Node; key: string }[] {
  const found: { node: Node; key: string }[] = [];
  const waiting: unknown[] = [value];
  for (let next = waiting.pop(); next !== undefined && found.length < 2_000; ) {
    if (typeof next === 'object' && next !== null) {
      for (const [key, inside] of Object.entries(next)) {
        found.push({ node: next as Node, key });
        if (typeof inside === 'object' && inside !== null) waiting.push(inside);
      }
    }
    next = waiting.pop();
  }
  return found;
}
