// @ts-check
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { runChild } from './child-process.mjs';
import { fingerprint, listFiles } from './fingerprint.mjs';
import { SetupError } from './setup-error.mjs';

/** Where the build keeps what it knows about itself; removing dist/ forgets all of it. */
export const STATE_FOLDER = join('dist', '.build');

/**
 * @typedef {object} BuildStep
 * @property {string} name
 * @property {string} what in words, for the progress line
 * @property {readonly string[]} inputs files and folders whose contents decide the result
 * @property {readonly string[]} extra what else decides it
 * @property {(root: string) => readonly string[]} outputs files that must be there afterwards
 * @property {(root: string) => Promise<void>} run
 */

/** A workspace package of its own, since the dashboard needs it and nothing else of src/. */
const PROTOCOL = join('src', 'protocol');

/** In the order they depend on each other. @type {readonly BuildStep[]} */
const BUILD_STEPS = [
  {
    name: 'native',
    what: 'the native package ebpf-ts',
    inputs: ['native'],
    extra: [process.version, process.arch],
    outputs: () => ['native/dist/index.js', 'native/dist/index.d.ts'],
    run: (root) => step(root, 'native', 'npm', ['run', '--silent', 'build', '-w', 'ebpf-ts']),
  },
  {
    name: 'bpf',
    what: 'the kernel programs',
    inputs: ['bpf'],
    extra: [process.arch],
    outputs: (root) => bpfSources(root).map(bpfObject),
    run: buildKernelPrograms,
  },
  {
    name: 'protocol',
    what: 'what the daemon and the dashboard exchange',
    inputs: [PROTOCOL, 'tsconfig.json', 'package-lock.json'],
    extra: [],
    outputs: (root) =>
      protocolSources(root).flatMap((source) => [
        protocolOutput(source),
        protocolOutput(source).replace(/\.js$/, '.d.ts'),
      ]),
    run: buildProtocol,
  },
  {
    name: 'typescript',
    what: 'the daemon and the commands',
    inputs: ['src', 'tsconfig.json', 'package-lock.json', 'native/src', 'native/lib'],
    extra: [],
    outputs: (root) => [
      ...typescriptSources(root).map(typescriptOutput),
      ...assetSources(root).map(besideOutputs),
    ],
    run: buildTypeScript,
  },
  {
    name: 'ui',
    what: 'the dashboard',
    inputs: ['ui', PROTOCOL, 'package-lock.json'],
    extra: [],
    outputs: () => ['dist/ui/index.html'],
    run: (root) => step(root, 'ui', 'npm', ['run', '--silent', 'build', '-w', 'hopscope-ui']),
  },
];

/**
 * Run those steps whose inputs changed or whose outputs are gone.
 *
 * @param {string} root
 * @param {(line: string) => void} report
 * @param {readonly string[]} [names] all steps without it
 * @throws {SetupError} `SETUP_BUILD` with the failing tool's own words
 */
export async function build(root, report, names) {
  mkdirSync(join(root, STATE_FOLDER), { recursive: true });
  for (const each of BUILD_STEPS) {
    if (names !== undefined && !names.includes(each.name)) continue;
    const stamp = join(root, STATE_FOLDER, `${each.name}.stamp`);
    const wanted = fingerprint(root, each.inputs, each.extra);
    if (isCurrent(root, each, stamp, wanted)) continue;
    rmSync(stamp, { force: true });
    const started = performance.now();
    report(`building ${each.what}`);
    await each.run(root);
    const absent = each.outputs(root).filter((file) => !existsSync(join(root, file)));
    if (absent.length > 0) {
      throw new SetupError(
        'SETUP_BUILD',
        `building ${each.what} did not make ${absent.join(', ')}`,
      );
    }
    writeFileSync(stamp, wanted);
    report(`built ${each.what} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
  linkCommand(root);
}

/**
 * @param {string} root
 * @param {BuildStep} each
 * @param {string} stamp
 * @param {string} wanted
 */
function isCurrent(root, each, stamp, wanted) {
  return (
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === wanted &&
    each.outputs(root).every((file) => existsSync(join(root, file)))
  );
}

/**
 * @param {string} root
 * @param {string} name
 * @param {string} command
 * @param {readonly string[]} args
 */
async function step(root, name, command, args) {
  const result = await runChild(command, args, { cwd: root });
  if (result.status !== 0) {
    throw new SetupError('SETUP_BUILD', `building ${name} failed: ${command} ${args.join(' ')}`, {
      output: result.output,
    });
  }
}

/** @param {string} root */
function bpfSources(root) {
  return listFiles(root, 'bpf').filter((file) => file.endsWith('.c'));
}

/** @param {string} source */
function bpfObject(source) {
  return join('dist', 'bpf', basename(source).replace(/\.c$/, '.o'));
}

/** @param {string} root */
async function buildKernelPrograms(root) {
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[/** @type {string} */ (process.arch)];
  const target = { x64: 'x86', arm64: 'arm64' }[/** @type {string} */ (process.arch)];
  if (machine === undefined || target === undefined) {
    throw new SetupError('SETUP_ARCH', `no kernel programs for ${process.arch} yet`, { status: 3 });
  }
  const folder = join(root, 'dist', 'bpf');
  mkdirSync(folder, { recursive: true });
  const sources = bpfSources(root);
  const objects = new Set(sources.map((source) => basename(bpfObject(source))));
  for (const file of readdirSync(folder)) {
    if (file.endsWith('.o') && !objects.has(file)) rmSync(join(folder, file));
  }
  for (const source of sources) {
    await step(root, source, 'clang', [
      '-target',
      'bpf',
      '-O2',
      '-g',
      '-mcpu=v3',
      '-Wall',
      '-Wextra',
      '-Werror',
      // BPF code calls through pointers made from helper numbers and shares handler signatures.
      '-Wno-unused-parameter',
      `-D__TARGET_ARCH_${target}`,
      // Debian keeps asm/ here, where clang does not look for a target that is not the host.
      `-I/usr/include/${machine}-linux-gnu`,
      '-I',
      'bpf',
      // Paths in the object's debug data must not show where it was built.
      `-fdebug-prefix-map=${root}=.`,
      '-c',
      source,
      '-o',
      bpfObject(source),
    ]);
  }
}

/** @param {string} root */
function protocolSources(root) {
  return listFiles(root, PROTOCOL).filter((file) => file.endsWith('.ts'));
}

/** @param {string} source */
function protocolOutput(source) {
  return join(PROTOCOL, 'dist', basename(source).replace(/\.ts$/, '.js'));
}

/** @param {string} root */
async function buildProtocol(root) {
  // A file that is no longer there must not be found by those who import it.
  rmSync(join(root, PROTOCOL, 'dist'), { recursive: true, force: true });
  await step(root, 'protocol', 'npm', ['run', '--silent', 'build', '-w', 'hopscope-protocol']);
}

/** @param {string} root */
function typescriptSources(root) {
  return listFiles(root, 'src').filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && dirname(file) !== PROTOCOL,
  );
}

/** @param {string} source */
function typescriptOutput(source) {
  return join('dist', source.slice('src/'.length).replace(/\.ts$/, '.js'));
}

/**
 * What the daemon reads at run time from beside its own files.
 *
 * @param {string} root
 */
function assetSources(root) {
  return listFiles(root, 'src').filter((file) => file.endsWith('.gz'));
}

/** @param {string} source */
function besideOutputs(source) {
  return join('dist', source.slice('src/'.length));
}

/** @param {string} root */
async function buildTypeScript(root) {
  const info = join(STATE_FOLDER, 'typescript.tsbuildinfo');
  const wanted = new Set(typescriptSources(root).map(typescriptOutput));
  // What tsc remembers is worth nothing once an output was removed by hand.
  if ([...wanted].some((file) => !existsSync(join(root, file)))) {
    rmSync(join(root, info), { force: true });
  }
  sweepStaleOutputs(root, 'dist', wanted);
  await step(root, 'src', process.execPath, [
    join('node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    'tsconfig.json',
    '--incremental',
    '--tsBuildInfoFile',
    info,
  ]);
  for (const asset of assetSources(root)) {
    mkdirSync(join(root, dirname(besideOutputs(asset))), { recursive: true });
    copyFileSync(join(root, asset), join(root, besideOutputs(asset)));
  }
}

/**
 * Remove what an earlier build made from sources that are no longer there, so that
 * a forgotten import fails here and not only in a fresh clone.
 *
 * @param {string} root
 * @param {string} folder
 * @param {ReadonlySet<string>} wanted
 */
function sweepStaleOutputs(root, folder, wanted) {
  if (!existsSync(join(root, folder))) return;
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const madeByOthers = folder === 'dist' && ['ui', 'bpf', '.build'].includes(entry.name);
      if (!madeByOthers) sweepStaleOutputs(root, path, wanted);
    } else if (/\.js(\.map)?$/.test(path) && !wanted.has(path.replace(/\.map$/, ''))) {
      rmSync(join(root, path));
    }
  }
}

/**
 * npm links the commands of installed packages, not of the checkout itself; with
 * this link `npx hopscope` works in a checkout.
 *
 * @param {string} root
 */
function linkCommand(root) {
  const main = join(root, 'dist', 'cli', 'main.js');
  if (!existsSync(main)) return;
  chmodSync(main, 0o755);
  const link = join(root, 'node_modules', '.bin', 'hopscope');
  if (existsSync(link)) return;
  mkdirSync(dirname(link), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(join('..', '..', 'dist', 'cli', 'main.js'), link);
}
