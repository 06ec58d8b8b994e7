import type { Random } from './random.js';

/** What a terminal acts on, what ends texts and lines, and what has several forms. */
const ODD_CHARACTERS = [
  ...['\0', '\t', '\n', '\r', '\r\n', '\u001b[2J', '\u0085', '\u009b1m', '\u2028', '\u202e'],
  ...['\u200b', '\ufeff', '\ufffd', 'é', 'e\u0301', '\u{1f480}', '"', "'", '\\', '%00', '%', '/'],
  ...['[', ']', '{', '}', '(', ')', ',', ':', ';', '=', '&', '?', '#', '*', '.', '-', ' ', '!'],
];
const NUMBERS = [
  ...['0', '-1', '1', '00', '255', '256', '65535', '65536', '4294967296', '9007199254740993'],
  ...['18446744073709551616', '1e999', '1.5', '-0', '0x10', 'NaN', '99999999999999999999999999'],
];
/** A long repetition is what a parser with a quadratic step is slow at. */
const LONG_REPEATS = 4_000;
const LONG_ONE_IN = 512;

type Mutation = (text: string, random: Random, words: readonly string[], other: string) => string;

const MUTATIONS: readonly Mutation[] = [
  function insertCharacter(text, random) {
    return put(text, random.below(text.length + 1), 0, random.pick(ODD_CHARACTERS));
  },
  function insertWord(text, random, words) {
    const word = words.length === 0 ? random.pick(NUMBERS) : random.pick(words);
    return put(text, random.below(text.length + 1), 0, word);
  },
  function replaceWord(text, random, words) {
    const { at, length } = wordNear(text, random);
    return put(text, at, length, words.length === 0 ? '' : random.pick(words));
  },
  function swapWords(text, random) {
    const { at, length } = wordNear(text, random);
    const from = wordNear(text, random);
    return put(text, at, length, text.slice(from.at, from.at + from.length));
  },
  function replaceNumber(text, random) {
    const from = random.below(text.length + 1);
    const match = /\d+/u.exec(text.slice(from));
    if (match === null) return text;
    return put(text, from + match.index, match[0].length, random.pick(NUMBERS));
  },
  function changeCharacter(text, random) {
    return put(text, random.below(text.length), 1, String.fromCharCode(32 + random.below(95)));
  },
  function remove(text, random) {
    return put(text, random.below(text.length), random.below(24), '');
  },
  function repeat(text, random) {
    const at = random.below(text.length);
    const part = text.slice(at, at + 1 + random.below(32));
    const times = random.below(LONG_ONE_IN) === 0 ? LONG_REPEATS : 1 + random.below(4);
    return put(text, at, 0, part.repeat(times));
  },
  function truncate(text, random) {
    return text.slice(0, random.below(text.length + 1));
  },
  function splice(text, random, _words, other) {
    const from = random.below(other.length + 1);
    return text.slice(0, random.below(text.length + 1)) + other.slice(from, from + 200);
  },
  function swapLines(text, random) {
    const lines = text.split('\n');
    const [a, b] = [random.below(lines.length), random.below(lines.length)];
    const line = lines[a] as string;
    lines[a] = lines[b] as string;
    lines[b] = line;
    return lines.join('\n');
  },
];

/** A text with 0 to 5 things wrong. */
export function mutateText(
  text: string,
  random: Random,
  words: readonly string[],
  other: string,
): string {
  let changed = text;
  for (let i = random.below(6); i > 0; i--) {
    changed = random.pick(MUTATIONS)(changed, random, words, other);
  }
  return changed;
}

function put(text: string, at: number, length: number, instead: string): string {
  return text.slice(0, at) + instead + text.slice(at + length);
}

function wordNear(text: string, random: Random): { at: number; length: number } {
  const from = random.below(text.length + 1);
  const match = /[\w-]+/u.exec(text.slice(from, from + 100));
  return match === null
    ? { at: from, length: 0 }
    : { at: from + match.index, length: match[0].length };
}
