import { mutateBytes } from './mutate.js';
import { mutateJson } from './mutate-json.js';
import { mutateText } from './mutate-text.js';
import type { Random } from './random.js';
import type { Target } from './target.js';

/** One of the corpus, changed in the ways that a target's inputs go wrong. */
export function mutated(
  target: Pick<Target, 'kind' | 'longest' | 'words'>,
  corpus: readonly Uint8Array[],
  random: Random,
): Uint8Array {
  const input = changed(target, corpus, random);
  return input.length > target.longest ? input.slice(0, target.longest) : input;
}

function changed(
  { kind, words = [] }: Pick<Target, 'kind' | 'words'>,
  corpus: readonly Uint8Array[],
  random: Random,
): Uint8Array {
  const chosen = random.pick(corpus);
  if (kind === 'bytes') return mutateBytes(chosen, random, corpus);
  const mutate = kind === 'json' ? mutateJson : mutateText;
  const text = mutate(textOf(chosen), random, words, textOf(random.pick(corpus)));
  const bytes = Buffer.from(text);
  // What is no UTF-8 comes from the network too.
  return random.below(32) === 0 ? mutateBytes(bytes, random, corpus) : new Uint8Array(bytes);
}

const texts = new WeakMap<Uint8Array, string>();

function textOf(input: Uint8Array): string {
  const known = texts.get(input);
  if (known !== undefined) return known;
  const text = Buffer.from(input).toString();
  texts.set(input, text);
  return text;
}
