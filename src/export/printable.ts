/**
 * Characters that a terminal acts on instead of showing them, or that change how others are
 * shown: control characters (ECMA-48), formatting such as the direction of text (UAX #9), line
 * separators, and halves of surrogate pairs. By their categories in the Unicode database.
 */
const NOT_SHOWN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * A text as it can be written to a terminal whoever chose it: names of devices, namespaces and
 * pods, and comments of rules are foreign. What is not shown becomes `\u{1b}`.
 */
export function printable(text: string): string {
  return text.replace(
    NOT_SHOWN,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** The same record with every text in it printable, keys included. */
export function printableRecord<T>(value: T): T {
  return printableValue(value) as T;
}

function printableValue(value: unknown): unknown {
  if (typeof value === 'string') return printable(value);
  if (Array.isArray(value)) return value.map(printableValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [printable(key), printableValue(each)]),
  );
}

/**
 * JSON on one line, in characters that a terminal shows: JSON itself lets C1 control characters
 * and formatting through (RFC 8259, 7). It parses to the same value.
 */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(NOT_SHOWN, (character) =>
    // By UTF-16 units, as JSON escapes them.
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
