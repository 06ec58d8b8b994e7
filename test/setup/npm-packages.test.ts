import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { missingNpmPackages } from '../../src/setup/npm-packages.mjs';

type Packages = Record<string, { version?: string; link?: boolean; optional?: boolean }>;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hopscope-setup-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function checkout(locked: Packages, installed: Packages | null): string {
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages: locked }));
  if (installed !== null) {
    mkdirSync(join(folder, 'node_modules'));
    const file = join(folder, 'node_modules', '.package-lock.json');
    writeFileSync(file, JSON.stringify({ packages: installed }));
  }
  return folder;
}

test('without node_modules all is missing but the workspaces and the optional', () => {
  const locked = {
    '': { version: '0.1.0' },
    native: { version: '0.1.0' },
    'node_modules/ws': { version: '8.0.0' },
    'node_modules/fsevents': { version: '2.0.0', optional: true },
    'ui/node_modules/vite': { version: '7.0.0' },
  };
  expect(missingNpmPackages(checkout(locked, null))).toEqual([
    'node_modules/ws',
    'ui/node_modules/vite',
  ]);
});

test('another version is missing, the same is not', () => {
  const locked = { 'node_modules/a': { version: '1.0.1' }, 'node_modules/b': { version: '2.0.0' } };
  const installed = {
    'node_modules/a': { version: '1.0.0' },
    'node_modules/b': { version: '2.0.0' },
  };
  expect(missingNpmPackages(checkout(locked, installed))).toEqual(['node_modules/a']);
});

test('a linked workspace has no version to compare', () => {
  const locked = { 'node_modules/ebpf-ts': { link: true } };
  expect(missingNpmPackages(checkout(locked, locked))).toEqual([]);
  rmSync(join(folder, 'node_modules'), { recursive: true });
  expect(missingNpmPackages(checkout(locked, {}))).toEqual(['node_modules/ebpf-ts']);
});

test('this checkout, which runs this test, has what its lock asks for', () => {
  expect(missingNpmPackages(ROOT)).toEqual([]);
});

test('the lock has the packages of every platform, so that npm ci takes it anywhere', () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  const absent = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !(`node_modules/${name}` in packages || `${path}/node_modules/${name}` in packages),
    ),
  );
  expect(absent).toEqual([]);
});
