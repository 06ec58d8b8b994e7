import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { expect, test } from 'vitest';
import { ROOT } from '../../src/setup/bootstrap.mjs';

/** What installs the npm packages must load without them: a bare checkout has none. */
const COMMANDS = [
  'src/setup/bootstrap.mjs',
  'src/setup/check.mjs',
  'src/setup/demo.mjs',
  'test/run.mjs',
  'test/attack/run.mjs',
  'test/bench/run.mjs',
  'test/faults/run.mjs',
  'test/fuzz/run.mjs',
  'test/guest/run.mjs',
  'test/recordings/make.mjs',
  'test/soak/run.mjs',
];

/**
 * Of what a module imports, and what that imports, the packages and Node's own modules.
 * What is imported later, by a call, does not count.
 */
function loadedAtOnce(inputs: Metafile['inputs'], file: string, seen = new Set<string>()) {
  if (seen.has(file)) return [];
  seen.add(file);
  const statements = (inputs[file]?.imports ?? []).filter(
    ({ kind }) => kind === 'import-statement',
  );
  const packages: string[] = statements.flatMap(({ path, external }) =>
    external === true ? [path] : loadedAtOnce(inputs, path, seen),
  );
  return packages;
}

test.each(COMMANDS)('%s loads in a checkout without npm packages', async (command) => {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [join(ROOT, command)],
    bundle: true,
    format: 'esm',
    metafile: true,
    packages: 'external',
    platform: 'node',
    write: false,
  });
  const needed = loadedAtOnce(metafile.inputs, command);
  expect(needed).toContain('node:process');
  expect(needed.filter((name) => !name.startsWith('node:'))).toEqual([]);
});
