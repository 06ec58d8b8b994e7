/** From `first` to `last`, both included. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** `80,443,1000-2000`; an end that is missing is the least or the most. Null for anything else. */
export function parseRanges(text: string, most: number): Range[] | null {
  const ranges: Range[] = [];
  for (const part of text.split(',')) {
    const found = /^(\d*)(-?)(\d*)$/u.exec(part);
    if (found === null || part === '') return null;
    const [, low = '', dash, high = ''] = found;
    const first = low === '' ? 0 : Number(low);
    const last = dash === '' ? first : high === '' ? most : Number(high);
    ranges.push({ first, last });
  }
  return ranges;
}
