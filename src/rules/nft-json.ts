/** What `nft -j` prints (libnftables-json(5)): one long list of objects. */
export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The texts of the objects of the list, one after the other, without parsing all of it at once.
 *
 * @throws SyntaxError where it is no such list
 */
export function* objectTexts(text: string): Generator<string> {
  const list = /^\s*\{\s*"nftables"\s*:\s*\[/u.exec(text.slice(0, 256));
  if (list === null) throw new SyntaxError('no list of nftables');
  let depth = 0;
  let start = -1;
  let isString = false;
  for (let i = list[0].length; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isString) {
      if (code === 0x5c) i += 1;
      else if (code === 0x22) isString = false;
    } else if (code === 0x22) isString = true;
    else if (code === 0x7b) {
      if (depth === 0) start = i;
      depth += 1;
    } else if (code === 0x7d) {
      depth -= 1;
      if (depth < 0) return;
      if (depth === 0) yield text.slice(start, i + 1);
    }
  }
  if (depth > 0) throw new SyntaxError('the list of nftables is cut');
}
