/** Edits that turn one word into another: a letter more, less, another, or two exchanged. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let least = Math.min(
        (row[j] as number) + 1,
        (next[j - 1] as number) + 1,
        (row[j - 1] as number) + (isSame ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] as number) + 1);
      }
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
}

/** Longest word that is compared. */
const LONGEST = 64;

/** The one of `known` that was probably meant; null when none is near. */
export function suggest(word: string, known: Iterable<string>): string | null {
  const wanted = word.toLowerCase().slice(0, LONGEST);
  if (wanted === '') return null;
  let found: string | null = null;
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const one of known) {
    const have = one.toLowerCase().slice(0, LONGEST);
    // Of `nginx-service` somebody may remember `nginx`.
    const begins = wanted.length >= 3 && have.startsWith(wanted);
    const apart = begins ? 1 : distance(wanted, have);
    if (apart < least) {
      least = apart;
      found = one;
    }
  }
  return found;
}
