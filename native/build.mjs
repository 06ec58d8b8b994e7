#!/usr/bin/env node
// Builds the addon (build/Release/ebpf.node) and the TypeScript layer (dist).
// Does nothing when both are newer than their sources; downloads nothing.
// With --asan: the addon with AddressSanitizer and UndefinedBehaviorSanitizer, apart from
// the other one (build/asan/build/Release/ebpf.node), and nothing else.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const addonFile = join(here, 'build/Release/ebpf.node');
const stampFile = join(here, 'build/stamp.json');
const indexFile = join(here, 'dist/index.js');

function fail(message) {
  process.stderr.write(`ebpf-ts: ${message}\n`);
  process.exit(1);
}

/** What a build needs, and the Debian package that brings it. */
function checkTools() {
  const needs = [
    ['g++', 'g++', () => onPath('g++')],
    ['make', 'make', () => onPath('make')],
    ['python3', 'python3', () => onPath('python3')],
    ['bpf/libbpf.h', 'libbpf-dev', () => existsSync('/usr/include/bpf/libbpf.h')],
    ['libelf.h', 'libelf-dev', () => existsSync('/usr/include/libelf.h')],
    ['zlib.h', 'zlib1g-dev', () => existsSync('/usr/include/zlib.h')],
    ['pcap/pcap.h', 'libpcap-dev', () => existsSync('/usr/include/pcap/pcap.h')],
  ];
  const missing = needs.filter(([, , present]) => !present());
  if (missing.length === 0) return;
  const files = missing.map(([file]) => file).join(', ');
  const packages = missing.map(([, name]) => name).join(' ');
  fail(`cannot build the addon: ${files} not found. On Debian: apt-get install ${packages}`);
}

function onPath(program) {
  return (process.env['PATH'] ?? '').split(':').some((dir) => existsSync(join(dir, program)));
}

/** The directory whose include/node has the headers of the running Node. */
function nodeDir() {
  const candidates = [dirname(dirname(process.execPath)), '/usr/local', '/usr'];
  for (const dir of candidates) {
    const header = join(dir, 'include/node/node_version.h');
    if (!existsSync(header)) continue;
    const major = /NODE_MAJOR_VERSION (\d+)/.exec(readFileSync(header, 'utf8'))?.[1];
    if (major === process.versions.node.split('.')[0]) return dir;
  }
  fail(
    `the C++ headers of Node ${process.versions.node} are not in ` +
      `${candidates.map((dir) => join(dir, 'include/node')).join(', ')}. They come with Node's ` +
      'own archives; on Debian: apt-get install libnode-dev (or nodejs from NodeSource)',
  );
}

/** Files beneath a directory with their sizes and times: one text that changes with them. */
function fingerprint(...paths) {
  const lines = [];
  const walk = (path) => {
    const info = statSync(path);
    if (info.isDirectory()) for (const name of readdirSync(path).sort()) walk(join(path, name));
    else lines.push(`${path} ${info.size} ${info.mtimeMs}`);
  };
  for (const path of paths) walk(path);
  return lines.join('\n');
}

function run(label, args, { cwd = here, env = {} } = {}) {
  const result = spawnSync(process.execPath, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (result.status === 0) return;
  process.stderr.write(result.stdout + result.stderr);
  fail(`${label} failed`);
}

function buildAddon(options) {
  checkTools();
  const nodeGyp = require.resolve('node-gyp/bin/node-gyp.js');
  // Two jobs: the compiler takes some 500 MiB for each.
  const args = [nodeGyp, 'configure', 'build', `--nodedir=${nodeDir()}`, '--jobs=2'];
  run('compiling the addon', args, options);
}

const SANITIZE = '-fsanitize=address,undefined -fno-omit-frame-pointer';

/** In a folder of its own, with the same binding.gyp: node-gyp builds where that is. */
function buildSanitized() {
  const folder = join(here, 'build/asan');
  const stamp = join(folder, 'stamp');
  const wanted = `${native}\n${SANITIZE}`;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const file of ['binding.gyp', 'package.json']) {
    copyFileSync(join(here, file), join(folder, file));
  }
  symlinkSync(join(here, 'addon'), join(folder, 'addon'));
  buildAddon({ cwd: folder, env: { CXXFLAGS: `${SANITIZE} -g1`, LDFLAGS: SANITIZE } });
  writeFileSync(stamp, wanted);
}

/** Writes over the old output, so that a process that starts meanwhile finds one or the other. */
function buildTypeScript() {
  run('compiling TypeScript', [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.json']);
  const modules = new Set(readdirSync(join(here, 'src')).map((name) => name.replace(/\.ts$/, '')));
  for (const name of readdirSync(join(here, 'dist'))) {
    if (!modules.has(name.replace(/\.(d\.ts|js|js\.map)$/, ''))) rmSync(join(here, 'dist', name));
  }
}

if (process.argv.includes('--clean')) {
  rmSync(join(here, 'build'), { recursive: true, force: true });
  rmSync(join(here, 'dist'), { recursive: true, force: true });
  process.exit(0);
}

const native = fingerprint(join(here, 'addon'), join(here, 'binding.gyp')) + process.version;
if (process.argv.includes('--asan')) {
  buildSanitized();
  process.exit(0);
}

const typed = fingerprint(
  join(here, 'src'),
  join(here, 'tsconfig.json'),
  join(here, '../tsconfig.json'),
);
let stamp = {};
try {
  stamp = JSON.parse(readFileSync(stampFile, 'utf8'));
} catch {
  // No build yet, or half of one: build.
}
if (stamp.native !== native || !existsSync(addonFile)) buildAddon();
if (stamp.typed !== typed || !existsSync(indexFile)) buildTypeScript();
if (stamp.native !== native || stamp.typed !== typed) {
  writeFileSync(stampFile, JSON.stringify({ native, typed }));
}
