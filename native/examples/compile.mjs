// Compiles a kernel program beside this file: `node compile.mjs programs`. It needs clang and
// the headers of libbpf and Linux; on Debian: apt-get install clang libbpf-dev linux-libc-dev.
import { execFileSync } from 'node:child_process';
import { arch, argv, execPath } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const MACHINES = {
  x64: { target: 'x86', headers: '/usr/include/x86_64-linux-gnu' },
  arm64: { target: 'arm64', headers: '/usr/include/aarch64-linux-gnu' },
};

/** The path of the compiled object. */
export function compile(name) {
  const source = fileURLToPath(new URL(`${name}.bpf.c`, import.meta.url));
  const object = source.replace(/\.c$/, '.o');
  const machine = MACHINES[arch];
  if (machine === undefined) throw new Error(`these examples do not know ${arch}`);
  execFileSync('clang', [
    ...['-g', '-O2', '-target', 'bpf', '-mcpu=v3', `-D__TARGET_ARCH_${machine.target}`],
    // Debian keeps asm/ here, where clang does not look for another target.
    ...[`-I${machine.headers}`, '-c', source, '-o', object],
  ]);
  return object;
}

if (import.meta.url === pathToFileURL(argv[1] ?? execPath).href) console.log(compile(argv[2]));
