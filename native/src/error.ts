/** The one error type of this package. */
import { getSystemErrorName } from 'node:util';

/** Kernel and libbpf codes that the C library has no name for. */
const UNNAMED = new Map<number, string>([
  // include/linux/errno.h: kernel-internal, yet bpf() lets it out.
  [524, 'ENOTSUPP'],
  // enum libbpf_errno, bpf/libbpf_legacy.h
  [4000, 'LIBBPF_LIBELF'],
  [4001, 'LIBBPF_FORMAT'],
  [4002, 'LIBBPF_KVERSION'],
  [4003, 'LIBBPF_ENDIAN'],
  [4004, 'LIBBPF_INTERNAL'],
  [4005, 'LIBBPF_RELOC'],
  [4006, 'LIBBPF_LOAD'],
  [4007, 'LIBBPF_VERIFY'],
  [4008, 'LIBBPF_PROG2BIG'],
  [4009, 'LIBBPF_KVER'],
  [4010, 'LIBBPF_PROGTYPE'],
  [4011, 'LIBBPF_WRNGPID'],
  [4012, 'LIBBPF_INVSEQ'],
  [4013, 'LIBBPF_NLPARSE'],
]);

/** The symbolic name of a positive errno, such as `EPERM`. */
export function errnoName(errno: number): string {
  const unnamed = UNNAMED.get(errno);
  if (unnamed !== undefined) return unnamed;
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `ERRNO_${errno}`;
  }
}

/**
 * What any call of this package throws.
 *
 * `code` is stable: the name of the errno (`EPERM`), or one of
 * - `BPF_BAD_ARGUMENT`: an argument has the wrong type or range
 * - `BPF_CLOSED`: the handle, or the object it belongs to, is closed
 * - `BPF_LOADED`: only possible before `load()`
 * - `BPF_NOT_LOADED`: only possible after `load()`, or autoload was off
 * - `BPF_NOT_FOUND`: no program, map, constant or type of that name
 * - `BPF_NO_BTF`: the object carries no type information
 * - `BPF_TARGET_TOO_SMALL`: the next ring buffer record is larger than the whole target
 * - `BPF_RING_CORRUPT`: the ring buffer's positions make no sense
 * - `BPF_NOT_CONFINED`: a thread kept a privilege that was to be given up
 * - `BPF_ADDON_MISSING`: the native addon was not built
 * - `PCAP_SYNTAX`: libpcap refused the expression
 */
export class BpfError extends Error {
  override readonly name = 'BpfError';
  /** The call that failed, such as `load` or `attachNetfilter`. */
  readonly operation: string;
  /** Positive errno, a libbpf code from 4000 up, or 0 when no system call failed. */
  readonly errno: number;
  readonly code: string;
  /** What libbpf and the verifier printed during the call. */
  readonly log: string | null;

  constructor(operation: string, errno: number, code: string, detail: string, log: string | null) {
    super(`${operation}: ${code}${detail === '' ? '' : `: ${detail}`}`);
    this.operation = operation;
    this.errno = errno;
    this.code = code;
    this.log = log;
  }
}

/** A refused argument; `detail` names it and what it should have been. */
export function badArgument(operation: string, detail: string): BpfError {
  return new BpfError(operation, 0, 'BPF_BAD_ARGUMENT', detail, null);
}

export function closedError(operation: string, what: string): BpfError {
  return new BpfError(operation, 0, 'BPF_CLOSED', `the ${what} is closed`, null);
}
