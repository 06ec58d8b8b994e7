import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

const compiled = new Map<string, string>();
let directory: string | null = null;

// Registered with the test file that imports this; each has its own copy.
afterAll(() => {
  if (directory !== null) rmSync(directory, { recursive: true, force: true });
});

const PROGRAMS = new URL('programs/', import.meta.url);
const TRACER = fileURLToPath(new URL('../../bpf', import.meta.url));

/** Compiles programs/NAME.bpf.c with clang, once a test file, and returns the object's path. */
export function compileProgram(name: string, folder = PROGRAMS): string {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  if (directory === null) {
    directory = mkdtempSync(join(tmpdir(), 'ebpf-ts-'));
  }
  const source = fileURLToPath(new URL(`${name}.bpf.c`, folder));
  const object = join(directory, `${name}.o`);
  const architecture = process.arch === 'arm64' ? 'arm64' : 'x86';
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  execFileSync('clang', [
    ...['-g', '-O2', '-target', 'bpf', '-mcpu=v3', '-Wall', '-Werror'],
    `-D__TARGET_ARCH_${architecture}`,
    ...[`-I/usr/include/${triplet}`, `-I${TRACER}`],
    ...['-c', source, '-o', object],
  ]);
  compiled.set(name, object);
  return object;
}
