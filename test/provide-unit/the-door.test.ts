import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
const IMPORT = /(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/gu;

/** Every import in src/ that leads from outside the lab into it. */
function importsOfLab(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([file, text]) => {
    const [folder] = relative(SRC, file).split(sep);
    if (folder === 'lab' || folder === 'cli') return [];
    return [...text.matchAll(IMPORT)]
      .filter(([, to = '']) => resolve(dirname(file), to).startsWith(join(SRC, 'lab', sep)))
      .map(([, to]) => `${relative(SRC, file)} imports ${to}`);
  });
}

function sources(): Map<string, string> {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(?:ts|mjs|js)$/u.test(file))
    .map((file) => join(SRC, file));
  return new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));
}

it("nothing outside lab/ and cli/ knows the lab: its names come in as everybody's do", () => {
  const all = sources();
  expect(all.size).toBeGreaterThan(200);
  expect(importsOfLab(all)).toEqual([]);
});

it('an import of the lab is found, however it is written', () => {
  const file = join(SRC, 'source', 'x.ts');
  for (const text of [
    "import { labState } from '../lab/state.js';",
    "export * from '../lab/state.js';",
    "const { labState } = await import('../lab/state.js');",
    "import '../lab/state.js';",
  ]) {
    expect(importsOfLab(new Map([[file, text]]))).toEqual(['source/x.ts imports ../lab/state.js']);
  }
  const inside = new Map([[join(SRC, 'lab', 'x.ts'), "import './state.js';"]]);
  expect(importsOfLab(inside)).toEqual([]);
});
