// @ts-check
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { env } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { serialize } from 'node:v8';
import { build, transform } from 'esbuild';
import { createVitest, parseCLI } from 'vitest/node';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { SetupError } from '../../src/setup/setup-error.mjs';

/**
 * Test files as one plain Node process runs them: vitest's start (its server, its
 * transformer, its workers) is done here, where it takes a second, and not in a guest,
 * where it takes forty. What is left for the guest is vitest's own test runner.
 *
 * @typedef {object} TestPlan what test-runner.mjs is given, by v8.serialize
 * @property {readonly ProjectPlan[]} projects
 * @property {string} folder where it was made
 *
 * @typedef {object} ProjectPlan
 * @property {import('vitest').SerializedConfig} config of the vitest project
 * @property {readonly { source: string, bundle: string }[]} files source: its absolute path;
 *   bundle: name of the module made of it, beside the plan
 */

const RUNNER = fileURLToPath(new URL('test-runner.mjs', import.meta.url));
export const RUNNER_BUNDLE = 'test-runner.mjs';
const PLAN_FILE = 'plan';

/** Of vitest's options those that mean here what they mean there. */
const OPTIONS = new Set([
  'project',
  'testNamePattern',
  'retry',
  'bail',
  'testTimeout',
  'hookTimeout',
  'passWithNoTests',
  'allowOnly',
  'config',
  'root',
]);
/** Added to all by vitest's own parser. */
const ALWAYS_THERE = new Set(['--', 'color', 'run', 'watch']);
/** What keeps its own place and its own state: Node loads it, as it does in production. */
const NATIVE_PACKAGE = /\/native\/dist\//;

/**
 * @param {readonly string[]} words vitest's arguments: options and names of files
 * @param {string} folder where the bundles go
 * @returns {Promise<void>}
 * @throws {SetupError} `GUEST_TESTS`
 */
export async function bundleTests(words, folder) {
  mkdirSync(folder, { recursive: true });
  const { filter, options } = parseWords(words);
  // Not a project's affair, and a guest's process has none of it.
  const before = { ...env };
  const vitest = await start(options);
  try {
    const specifications = await vitest.globTestSpecifications([...filter]);
    if (specifications.length === 0) {
      throw new SetupError('GUEST_TESTS', `there is no test file for: ${words.join(' ')}`);
    }
    /** @type {ProjectPlan[]} */
    const projects = [];
    for (const project of new Set(specifications.map((specification) => specification.project))) {
      const config = project.serializedConfig;
      refuseForeign(project.config);
      const sources = specifications
        .filter((specification) => specification.project === project)
        .map(({ moduleId }) => moduleId)
        .sort();
      const first = projects.reduce((sum, { files }) => sum + files.length, 0);
      const files = sources.map((source, at) => ({ source, bundle: `${first + at}.mjs` }));
      // With a state of its own for each file, it has modules of its own too.
      const isolated = config.poolOptions?.forks?.isolate ?? config.isolate ?? true;
      await bundleFiles(files, folder, !isolated);
      projects.push({ config, files });
    }
    await bundleRunner(folder);
    /** @type {TestPlan} */
    const plan = { projects, folder };
    writeFileSync(join(folder, PLAN_FILE), serialize(plan));
  } finally {
    await vitest.close();
    for (const key of Object.keys(env)) if (before[key] === undefined) delete env[key];
  }
}

/** @param {Parameters<typeof createVitest>[1]} options */
async function start(options) {
  try {
    return await createVitest('test', { root: ROOT, ...options, watch: false, reporters: [] });
  } catch (error) {
    throw refusal(error);
  }
}

/** @param {unknown} error */
function refusal(error) {
  const text = error instanceof Error ? error.message : String(error);
  return new SetupError('GUEST_TESTS', text, { status: 2 });
}

/** @param {readonly string[]} words */
function parseWords(words) {
  /** @type {ReturnType<typeof parseCLI>} */
  let parsed;
  try {
    parsed = parseCLI(['vitest', 'run', ...words]);
  } catch (error) {
    throw refusal(error);
  }
  const unknown = Object.keys(parsed.options).filter(
    // One letter: the same option once more.
    (name) => name.length > 1 && !OPTIONS.has(name) && !ALWAYS_THERE.has(name),
  );
  if (unknown.length > 0) {
    throw new SetupError(
      'GUEST_TESTS',
      `a guest's tests know no vitest option ${unknown.join(', ')}; they know ` +
        [...OPTIONS].join(', '),
      { status: 2 },
    );
  }
  return parsed;
}

/** What a project may ask for in vitest and would not get here. */
function refuseForeign(/** @type {import('vitest/node').ResolvedConfig} */ config) {
  const foreign = [
    ...(config.setupFiles.length > 0 ? ['setupFiles'] : []),
    ...(config.globalSetup.length > 0 ? ['globalSetup'] : []),
    ...(config.environment !== 'node' ? [`the environment ${config.environment}`] : []),
    ...(config.globals ? ['globals'] : []),
  ];
  if (foreign.length > 0) {
    throw new SetupError('GUEST_TESTS', `a guest's tests have no ${foreign.join(', ')}`);
  }
}

/**
 * A file that cannot be bundled becomes one that fails when it is loaded, as vitest has it.
 *
 * @param {ProjectPlan['files']} files
 * @param {string} folder
 * @param {boolean} splitting whether they share modules
 */
async function bundleFiles(files, folder, splitting) {
  const result = await bundle({
    entryPoints: files.map(({ source, bundle: name }) => ({
      in: source,
      out: basename(name, '.mjs'),
    })),
    outdir: folder,
    splitting,
    chunkNames: 'shared-[hash]',
    plugins: [ownPlace, outside],
  });
  if (result === '') return;
  for (const file of files) {
    if (files.length > 1) await bundleFiles([file], folder, false);
    else writeFileSync(join(folder, file.bundle), `throw new Error(${JSON.stringify(result)});\n`);
  }
}

/** @param {string} folder */
async function bundleRunner(folder) {
  const problem = await bundle({
    entryPoints: [{ in: RUNNER, out: basename(RUNNER_BUNDLE, '.mjs') }],
    outdir: folder,
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 100,
    sourcemap: false,
  });
  if (problem !== '') {
    throw new SetupError('GUEST_TESTS', 'the test runner could not be bundled', {
      output: problem,
    });
  }
}

/** @param {import('esbuild').BuildOptions} options @returns {Promise<string>} what is wrong, or nothing */
async function bundle(options) {
  try {
    await build({
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      outExtension: { '.js': '.mjs' },
      // Read only when a test has failed.
      sourcemap: 'external',
      logLevel: 'silent',
      banner: {
        js: "import { createRequire as hopscopeRequire } from 'node:module';const require = hopscopeRequire(import.meta.url);",
      },
      ...options,
    });
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * A module finds files beside itself, and must find them beside its source.
 *
 * @type {import('esbuild').Plugin}
 */
const ownPlace = {
  name: 'own-place',
  setup({ onLoad }) {
    onLoad({ filter: /\.(ts|mts|js|mjs)$/ }, async ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (!text.includes('import.meta')) return undefined;
      const { code } = await transform(text, {
        loader: /ts$/.test(path) ? 'ts' : 'js',
        format: 'esm',
        target: 'node20',
        sourcefile: path,
        sourcemap: 'inline',
        define: {
          'import.meta.url': JSON.stringify(pathToFileURL(path).href),
          'import.meta.filename': JSON.stringify(path),
          'import.meta.dirname': JSON.stringify(join(path, '..')),
        },
      });
      return { contents: code, loader: 'js' };
    });
  },
};

/** @type {import('esbuild').Plugin} */
const outside = {
  name: 'outside',
  setup({ onResolve, resolve }) {
    // One vitest for all files: the runner's.
    onResolve({ filter: /^vitest$/ }, () => ({ path: `./${RUNNER_BUNDLE}`, external: true }));
    onResolve({ filter: /.*/ }, async ({ path, kind, resolveDir, importer, pluginData }) => {
      if (kind === 'entry-point' || pluginData === outside) return undefined;
      const found = await resolve(path, { kind, resolveDir, importer, pluginData: outside });
      if (found.errors.length > 0 || !NATIVE_PACKAGE.test(found.path)) return found;
      return { path: pathToFileURL(found.path).href, external: true };
    });
  },
};
