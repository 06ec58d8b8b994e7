// @ts-check
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onEnd } from './cleanup.mjs';

const SOURCES = ['load.c', 'load-sink.c'].map((name) =>
  fileURLToPath(new URL(name, import.meta.url)),
);

/** A folder for this run, gone with it. @type {string | null} */
let folder = null;
/** load.c, once it is compiled. @type {string | null} */
let program = null;

/** Where what this run writes can be kept until it ends. */
export function scratch() {
  if (folder !== null) return folder;
  const made = mkdtempSync(join(tmpdir(), 'hopscope-bench-'));
  onEnd(() => {
    rmSync(made, { recursive: true, force: true });
    folder = null;
    program = null;
  });
  folder = made;
  return made;
}

/** load.c, compiled. */
export function loadProgram() {
  if (program === null) {
    const file = join(scratch(), 'load');
    execFileSync('clang', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', file, ...SOURCES], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    program = file;
  }
  return program;
}
