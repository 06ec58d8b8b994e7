/** One option of a rule, with the values that follow it. */
export interface RuleOption {
  readonly name: string;
  readonly values: readonly string[];
  readonly isNegated: boolean;
}

/** The options of a match or a target. `module` is empty for those that iptables itself has. */
export interface OptionGroup {
  readonly module: string;
  readonly options: readonly RuleOption[];
}

export interface RuleWords {
  readonly matches: readonly OptionGroup[];
  /** The target or chain after `-j` or `-g`; null without one. */
  readonly target: {
    readonly name: string;
    readonly isGoto: boolean;
    readonly group: OptionGroup;
  } | null;
}

const OPTION = /^--?[a-z]/iu;

/** A rule as `iptables-save` writes it, without the words before its first option. */
export function groupWords(words: readonly Word[]): RuleWords {
  const own: RuleOption[] = [];
  const matches: OptionGroup[] = [{ module: '', options: own }];
  let target: RuleWords['target'] = null;
  let options = own;
  for (let i = 0; i < words.length; ) {
    const isNegated = isSign(words[i]);
    if (isNegated) i += 1;
    const name = words[i]?.text ?? '';
    let end = i + 1;
    // What follows an option belongs to it, whatever it looks like.
    while (end < words.length && !isSign(words[end]) && !isOption(words[end])) end += 1;
    const values = words.slice(i + 1, end).map(({ text }) => text);
    i = end;
    const [value = ''] = values;
    if (name === '-m') {
      options = [];
      matches.push({ module: value, options });
    } else if (name === '-j' || name === '-g') {
      options = [];
      target = { name: value, isGoto: name === '-g', group: { module: value, options } };
    } else if (BUILT_IN.has(name) && target === null) {
      own.push({ name, values, isNegated });
    } else {
      options.push({ name, values, isNegated });
    }
  }
  return { matches, target };
}

function isSign(word: Word | undefined): boolean {
  return word?.text === '!' && !word.isQuoted;
}

function isOption(word: Word | undefined): boolean {
  return word !== undefined && !word.isQuoted && OPTION.test(word.text);
}

const BUILT_IN = new Set(['-s', '-d', '-i', '-o', '-p', '-f', '-4', '-6']);

/** A word of a rule; what is in double quotes is one, and never an option. */
export interface Word {
  readonly text: string;
  readonly isQuoted: boolean;
}

export function wordsOf(line: string): Word[] {
  const words: Word[] = [];
  for (const match of line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/gu)) {
    const isQuoted = match[2] === undefined;
    const text = match[2] ?? (match[1] ?? '').replace(/\\(.)/gu, '$1');
    words.push({ text, isQuoted });
  }
  return words;
}
