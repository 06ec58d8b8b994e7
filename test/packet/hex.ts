/**
 * Bytes from commented hex: everything from `#` to the end of a line is a remark,
 * white space separates as it likes, `xx*N` repeats a byte N times.
 *
 * @throws Error where something is left that is not a byte
 */
export function hex(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const line of text.split('\n')) {
    const code = line.replace(/#.*/, '');
    for (const word of code.split(/\s+/)) {
      if (word === '') continue;
      const repeat = /^([0-9a-f]{2})\*(\d+)$/.exec(word);
      if (repeat !== null) {
        const value = Number.parseInt(repeat[1] as string, 16);
        for (let i = 0; i < Number(repeat[2]); i++) bytes.push(value);
        continue;
      }
      if (word.length % 2 !== 0 || !/^[0-9a-f]+$/.test(word)) {
        throw new Error(`not hex: '${word}' in '${line.trim()}'`);
      }
      for (let i = 0; i < word.length; i += 2) {
        bytes.push(Number.parseInt(word.slice(i, i + 2), 16));
      }
    }
  }
  return Uint8Array.from(bytes);
}

/** A view of exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
