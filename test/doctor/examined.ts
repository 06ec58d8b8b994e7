import { spawnSync } from 'node:child_process';
import type { Diagnosis, Finding } from '../../src/doctor/diagnosis.js';
import { MAIN } from '../scenario/hopscope-process.js';

export interface Examined {
  readonly status: number | null;
  readonly err: string;
  readonly canTrace: boolean;
  /** Throws where there is no such finding. */
  found(id: string): Finding;
}

/** What `hopscope doctor --json` says when it is run by `wrapper`. */
export function examine(wrapper: readonly string[], main = MAIN): Examined {
  const { status, out, err } = hopscopeUnder(wrapper, ['doctor', '--json'], main);
  const diagnosis = JSON.parse(out) as Diagnosis;
  return {
    status,
    err,
    canTrace: diagnosis.canTrace,
    found(id) {
      const each = diagnosis.findings.find((one) => one.id === id);
      if (each === undefined) throw new Error(`no finding ${id}`);
      return each;
    },
  };
}

/** A command that ends by itself, run by `wrapper`. */
export function hopscopeUnder(
  wrapper: readonly string[],
  args: readonly string[],
  main = MAIN,
): { readonly status: number | null; readonly out: string; readonly err: string } {
  const [command = '', ...rest] = [...wrapper, process.execPath, main, ...args];
  const { status, stdout, stderr } = spawnSync(command, rest, {
    encoding: 'utf8',
    timeout: 30_000,
    maxBuffer: 64 << 20,
  });
  return { status, out: stdout, err: stderr };
}

/** Root in name, without these capabilities. */
export function without(...capabilities: readonly string[]): string[] {
  const bounding = capabilities.map((name) => `-${name}`).join(',');
  return ['setpriv', `--bounding-set=${bounding}`, '--inh-caps=-all', '--'];
}

/** Runs a shell's words in a mount namespace of its own before what is wrapped. */
export function afterMounting(words: string): string[] {
  return ['unshare', '--mount', 'sh', '-c', `${words}; exec "$@"`, 'sh'];
}

/** bpf(2) answers EPERM through a seccomp filter, as the default of container runtimes has it. */
export const WITHOUT_BPF_CALL = [
  'python3',
  '-c',
  `
import ctypes, os, struct, sys
BPF_CALL = 321  # x86-64
program = b''.join(struct.pack('=HBBI', *words) for words in [
    (0x20, 0, 0, 0),                # A = number of the system call
    (0x15, 0, 1, BPF_CALL),         # is it bpf(2)?
    (0x06, 0, 0, 0x00050000 | 1),   # then EPERM
    (0x06, 0, 0, 0x7fff0000),       # else let it through
])
code = ctypes.create_string_buffer(program, len(program))
class Filter(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('code', ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
assert libc.prctl(38, 1, 0, 0, 0) == 0
given = Filter(4, ctypes.addressof(code))
assert libc.prctl(22, 2, ctypes.addressof(given), 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execvp(sys.argv[1], sys.argv[1:])
`,
];
