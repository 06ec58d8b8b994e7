import type { RulesNews, RuleText } from '../rules/rule-text.js';

/** Characters of rules in one message: none takes long to write or to parse. */
const PART = 256 << 10;

/** Rules are large: their text crosses in parts, and then what they are of. */
export type RulesMessage =
  | {
      readonly type: 'rules-text';
      readonly netns: number;
      readonly index: number;
      readonly text: RuleText;
    }
  /** `texts` of what was read are those that came before it. */
  | { readonly type: 'rules'; readonly news: RulesNews };

export function* rulesMessages(news: RulesNews): Generator<RulesMessage> {
  if (news.kind !== 'read') {
    yield { type: 'rules', news };
    return;
  }
  const { netns, texts } = news.rules;
  for (const [index, text] of texts.entries()) {
    for (const pieces of partsOf(text.pieces)) {
      yield { type: 'rules-text', netns, index, text: { ...text, pieces } };
    }
  }
  yield { type: 'rules', news: { kind: 'read', rules: { ...news.rules, texts: [] } } };
}

function* partsOf(pieces: readonly string[]): Generator<string[]> {
  let part: string[] = [];
  let length = 0;
  for (const piece of pieces) {
    part.push(piece);
    length += piece.length;
    if (length < PART) continue;
    yield part;
    part = [];
    length = 0;
  }
  yield part;
}

/** Puts together what crossed. */
export class RulesAssembly {
  readonly #texts = new Map<number, (RuleText & { readonly pieces: string[] })[]>();

  /** Null while there is more to come. */
  take(message: RulesMessage): RulesNews | null {
    if (message.type === 'rules-text') {
      const { netns, index, text } = message;
      const texts = this.#texts.get(netns) ?? [];
      this.#texts.set(netns, texts);
      const known = texts[index];
      if (known === undefined) texts[index] = { ...text, pieces: [...text.pieces] };
      else known.pieces.push(...text.pieces);
      return null;
    }
    const { news } = message;
    if (news.kind !== 'read') return news;
    const texts = this.#texts.get(news.rules.netns) ?? [];
    this.#texts.delete(news.rules.netns);
    return { kind: 'read', rules: { ...news.rules, texts } };
  }
}
