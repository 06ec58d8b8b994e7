/** How much freed memory the C library keeps for itself. */
import { addon } from './addon.js';
import { checkInteger } from './argument.js';

/** glibc takes no threshold above half of the size of an arena. */
const BYTES_MAX = 32 << 20;
const ARENAS_MAX = 1_024;

export interface MallocBounds {
  /** Blocks of at least so many bytes have a mapping of their own, 4,096 to 32 MiB. */
  readonly mappedBytes: number;
  /** So many arenas for all threads, 1 to 1,024; those that there are stay. */
  readonly arenas: number;
}

/**
 * Makes malloc give a large block back to the kernel when it is freed. glibc by itself raises
 * the size from which it does so, to 32 MiB, each time such a block is freed, and threads
 * have up to 8 arenas for each CPU (mallopt(3): `M_MMAP_THRESHOLD`, `M_TRIM_THRESHOLD`,
 * `M_ARENA_MAX`). It holds for the whole process, for what is allocated from now on.
 *
 * @returns false where the C library has no such settings
 * @throws BpfError `BPF_BAD_ARGUMENT`
 */
export function boundMalloc({ mappedBytes, arenas }: MallocBounds): boolean {
  return addon.boundMalloc(
    checkInteger('boundMalloc', 'mappedBytes', mappedBytes, 4_096, BYTES_MAX),
    checkInteger('boundMalloc', 'arenas', arenas, 1, ARENAS_MAX),
  );
}
