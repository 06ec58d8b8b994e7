import { looksLikeIpv6 } from './address-prefix.js';
import {
  FILTER_FIELDS,
  isNumberField,
  isTextField,
  NUMBER_SPECS,
  type NumberField,
  TEXT_SPECS,
  type TextField,
} from './filter-fields.js';
import type { FilterNode, FilterProblem, ParsedFilter, Span } from './filter-node.js';
import { parseQuantity, QUANTITY_EXAMPLE } from './filter-quantity.js';
import { FILTER_DEPTH_LIMIT, FILTER_TERM_LIMIT, FILTER_TEXT_LIMIT } from './limits.js';
import { suggest } from './suggestion.js';

const FIELD = /([a-z][a-z0-9]*)(:|>=|<=|>|<|=)/iy;
const WORD_OPERATOR = /(or|and|not)(?=[\s()]|$)/iy;
const INFINITE = Number.POSITIVE_INFINITY;

interface Value extends Span {
  readonly text: string;
  readonly isQuoted: boolean;
}

/**
 * Reads a filter: words, `field:value`, `number>1ms`, ranges with `..`, quotes, `*`, OR, AND,
 * NOT or `-`, brackets. Never throws: what cannot be read is left out and is among the problems.
 */
export function parseFilter(text: string): ParsedFilter {
  return new Parser(text.slice(0, FILTER_TEXT_LIMIT)).parse(text);
}

class Parser {
  readonly #text: string;
  readonly #problems: FilterProblem[] = [];
  #at = 0;
  #terms = 0;
  #depth = 0;
  /** Brackets that are open. */
  #brackets = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(whole: string): ParsedFilter {
    const parts: FilterNode[] = [];
    for (;;) {
      const part = this.#or();
      if (part !== null) parts.push(part);
      if (this.#at >= this.#text.length) break;
      // Only a bracket that closes nothing ends it before the text does.
      this.#report('unbalanced', 'this bracket closes nothing', this.#at, this.#at + 1);
      this.#at += 1;
    }
    if (whole.length > FILTER_TEXT_LIMIT) {
      const message = `a filter has at most ${FILTER_TEXT_LIMIT} characters`;
      this.#report('too-long', message, FILTER_TEXT_LIMIT, whole.length);
    }
    return { text: whole, node: group('and', parts), problems: this.#problems };
  }

  #or(): FilterNode | null {
    const parts: FilterNode[] = [];
    let operator: Span | null = null;
    for (;;) {
      const part = this.#and();
      if (part !== null) parts.push(part);
      else if (operator !== null) {
        this.#report('missing-term', 'OR stands between two conditions', operator.at, operator.end);
      }
      const at = this.#at;
      if (!this.#takeWord('or')) return group('or', parts);
      operator = { at, end: this.#at };
      if (part === null && parts.length === 0) {
        this.#report('missing-term', 'OR stands between two conditions', at, this.#at);
      }
    }
  }

  #and(): FilterNode | null {
    const parts: FilterNode[] = [];
    for (;;) {
      this.#skipSpace();
      if (this.#at >= this.#text.length || this.#text[this.#at] === ')') break;
      if (this.#peekWord('or')) break;
      if (this.#takeWord('and')) continue;
      const part = this.#unary();
      if (part !== null) parts.push(part);
    }
    return group('and', parts);
  }

  #unary(): FilterNode | null {
    const at = this.#at;
    const isNot = this.#takeWord('not');
    const isMinus = !isNot && /^-\S/.test(this.#text.slice(at, at + 2));
    if (isMinus) this.#at += 1;
    if (isNot || isMinus) {
      this.#skipSpace();
      if (this.#at >= this.#text.length || this.#text[this.#at] === ')') {
        this.#report('missing-term', 'NOT stands before a condition', at, this.#at);
        return null;
      }
      const part = this.#nested(() => this.#unary());
      return part === null ? null : { kind: 'not', part, at, end: part.end };
    }
    if (this.#text[at] === '(') {
      this.#at += 1;
      this.#brackets += 1;
      const inner = this.#nested(() => this.#or());
      this.#brackets -= 1;
      this.#skipSpace();
      if (this.#text[this.#at] === ')') this.#at += 1;
      else this.#report('unbalanced', 'this bracket is not closed', at, at + 1);
      return inner === null ? null : { ...inner, at, end: this.#at };
    }
    return this.#term();
  }

  #nested(read: () => FilterNode | null): FilterNode | null {
    if (this.#depth >= FILTER_DEPTH_LIMIT) {
      const message = `at most ${FILTER_DEPTH_LIMIT} brackets within each other`;
      this.#report('too-long', message, this.#at, this.#text.length);
      this.#at = this.#text.length;
      return null;
    }
    this.#depth += 1;
    const node = read();
    this.#depth -= 1;
    return node;
  }

  #term(): FilterNode | null {
    const at = this.#at;
    this.#terms += 1;
    if (this.#terms > FILTER_TERM_LIMIT) {
      const message = `a filter has at most ${FILTER_TERM_LIMIT} conditions`;
      this.#report('too-long', message, at, this.#text.length);
      this.#at = this.#text.length;
      return null;
    }
    FIELD.lastIndex = at;
    const match = FIELD.exec(this.#text);
    const name = (match?.[1] ?? '').toLowerCase();
    const operator = match?.[2] ?? '';
    const isKnown = isTextField(name) || isNumberField(name);
    const isWord =
      match === null ||
      (!isKnown && (operator === '=' || looksLikeIpv6(this.#bare(at)))) ||
      (operator === ':' && !isKnown && looksLikeIpv6(this.#bare(at)));
    if (isWord) {
      const value = this.#value();
      if (value.text === '') return null;
      return { kind: 'text', field: null, value: value.text, at, end: this.#at };
    }
    this.#at = at + match[0].length;
    const value = this.#value();
    if (!isKnown) {
      const known = suggest(name, FILTER_FIELDS);
      const hint = known === null ? '' : `; did you mean ${known}${operator}?`;
      const message = `there is no field “${name}”${hint}`;
      this.#report('unknown-field', message, at, at + name.length, known);
      return null;
    }
    if (value.text === '') {
      const message = `${name}${operator} needs a value`;
      this.#report('missing-value', message, at, Math.max(value.end, at + 1));
      return null;
    }
    if (isNumberField(name)) return this.#number(name, operator, value, at);
    return this.#textTerm(name, operator, value, at);
  }

  #textTerm(field: TextField, operator: string, value: Value, at: number): FilterNode | null {
    if (field === 'port') {
      const isRange = !value.isQuoted && /\.\.|^\d+-\d+$/.test(value.text);
      if (isRange || (operator !== ':' && operator !== '=')) {
        return this.#number('port', operator, value, at);
      }
    } else if (operator !== ':' && operator !== '=') {
      const message = `${field} is no number: use ${field}:${value.text}`;
      this.#report('bad-number', message, at, value.end, `${field}:${value.text}`);
      return null;
    }
    const { values } = TEXT_SPECS[field];
    const wanted = value.text.toLowerCase();
    if (values !== undefined && !wanted.includes('*') && !values.includes(wanted)) {
      const near = suggest(wanted, values);
      const hint = near === null ? '' : `; did you mean ${near}?`;
      const message = `${field} is one of ${values.join(', ')}${hint}`;
      this.#report('unknown-value', message, value.at, value.end, near);
      return null;
    }
    return { kind: 'text', field, value: value.text, at, end: value.end };
  }

  #number(
    field: NumberField | 'port',
    operator: string,
    value: Value,
    at: number,
  ): FilterNode | null {
    const kind = field === 'port' ? 'count' : NUMBER_SPECS[field].kind;
    const isEqual = operator === ':' || operator === '=';
    const ends =
      /^(.*)\.\.(.*)$/.exec(value.text) ??
      (field === 'port' ? /^(\d+)-(\d+)$/.exec(value.text) : null);
    const read = (text: string): number | null => parseQuantity(text.trim(), kind);
    let low: number | null;
    let high: number | null;
    if (isEqual && ends !== null) {
      low = ends[1] === '' ? 0 : read(ends[1] ?? '');
      high = ends[2] === '' ? INFINITE : read(ends[2] ?? '');
    } else {
      const limit = read(value.text);
      low = operator.startsWith('<') ? (limit === null ? null : -INFINITE) : limit;
      high = operator.startsWith('>') ? (limit === null ? null : INFINITE) : limit;
    }
    if (low === null || high === null) {
      const message = `${field} takes a number such as ${QUANTITY_EXAMPLE[kind]}, not “${value.text}”`;
      this.#report('bad-number', message, value.at, value.end);
      return null;
    }
    const [isLowOpen, isHighOpen] = [operator === '>', operator === '<'];
    return { kind: 'range', field, low, high, isLowOpen, isHighOpen, at, end: value.end };
  }

  /** What stands here up to the next space or bracket, quotes taken off. */
  #value(): Value {
    const at = this.#at;
    if (this.#text[at] === '"') {
      const close = this.#text.indexOf('"', at + 1);
      const end = close < 0 ? this.#text.length : close;
      this.#at = close < 0 ? end : close + 1;
      return { text: this.#text.slice(at + 1, end), isQuoted: true, at, end: this.#at };
    }
    const text = this.#bare(at);
    this.#at = at + text.length;
    return { text, isQuoted: false, at, end: this.#at };
  }

  #bare(at: number): string {
    const end = this.#brackets > 0 ? /[\s)]/ : /\s/;
    const rest = this.#text.slice(at);
    const length = rest.search(end);
    return length < 0 ? rest : rest.slice(0, length);
  }

  #peekWord(word: string): boolean {
    WORD_OPERATOR.lastIndex = this.#at;
    return WORD_OPERATOR.exec(this.#text)?.[1]?.toLowerCase() === word;
  }

  #takeWord(word: string): boolean {
    this.#skipSpace();
    if (!this.#peekWord(word)) return false;
    this.#at += word.length;
    return true;
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #report(
    code: FilterProblem['code'],
    message: string,
    at: number,
    end: number,
    suggestion: string | null = null,
  ): void {
    this.#problems.push({ code, message, at, end, suggestion });
  }
}

function group(kind: 'and' | 'or', parts: readonly FilterNode[]): FilterNode | null {
  const [first] = parts;
  if (first === undefined) return null;
  const last = parts.at(-1) ?? first;
  return parts.length === 1 ? first : { kind, parts, at: first.at, end: last.end };
}
