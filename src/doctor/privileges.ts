import { readFile, readlink } from 'node:fs/promises';
import { type Capability, effectiveCapabilities } from './capabilities.js';

/** What this process may do, as far as /proc says. */
export interface Privileges {
  /** `null` where /proc/self/status cannot be read. */
  readonly held: ReadonlySet<Capability> | null;
  /** Whether capabilities are of a user namespace, which the kernel does not take for BPF. */
  readonly inUserNamespace: boolean;
  /** Whether system calls go through a filter, such as a container's. */
  readonly hasSeccompFilter: boolean;
  /** The mode of kernel lockdown; `null` where it is not in use or cannot be read. */
  readonly lockdown: string | null;
  /** Why the mode cannot be read; `null` where it can, or where there is none. */
  readonly lockdownHidden: string | null;
}

/** PROC_USER_INIT_INO of include/linux/proc_ns.h: it has the same number on every kernel. */
const INITIAL_USER_NAMESPACE = 'user:[4026531837]';
/** SECCOMP_MODE_FILTER of include/uapi/linux/seccomp.h. */
const SECCOMP_FILTER = '2';

export async function readPrivileges(): Promise<Privileges> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => null);
  const namespace = await readlink('/proc/self/ns/user').catch(() => null);
  return {
    held: status === null ? null : effectiveCapabilities(status),
    inUserNamespace: namespace !== null && namespace !== INITIAL_USER_NAMESPACE,
    hasSeccompFilter: /^Seccomp:\s*(\d)$/m.exec(status ?? '')?.[1] === SECCOMP_FILTER,
    ...(await readLockdown()),
  };
}

/** The chosen mode is the one in brackets (security/lockdown/lockdown.c). */
async function readLockdown(): Promise<Pick<Privileges, 'lockdown' | 'lockdownHidden'>> {
  const file = '/sys/kernel/security/lockdown';
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => error);
  if (typeof text === 'string') return { lockdown: lockdownMode(text), lockdownHidden: null };
  // securityfs need not be mounted, and then it is not for certain.
  return { lockdown: null, lockdownHidden: text.code === 'ENOENT' ? null : text.message };
}

export function lockdownMode(text: string): string | null {
  return /\[(\w+)\]/.exec(text)?.[1] ?? null;
}
