/** Which network namespace a path is of. */
import { addon } from './addon.js';
import { checkString } from './argument.js';

export interface NetnsIdentity {
  /** Of the file in nsfs. The kernel gives it to the next namespace when this one has gone. */
  readonly inode: bigint;
  /** `net->net_cookie`: no two namespaces have the same as long as the machine runs. */
  readonly cookie: bigint;
  /** User who made its user namespace; null where this process may not know (ioctl_ns(2)). */
  readonly owner: number | null;
}

/**
 * Identity of the namespace that `path` is of (a path that setns(2) takes). Another namespace
 * than the caller's own is entered for it, for some 10 µs.
 *
 * @throws BpfError `ENOENT`, `EPERM` without CAP_SYS_ADMIN, `EINVAL` when it is none,
 *   `BPF_BAD_ARGUMENT`
 */
export function netnsIdentity(path: string): NetnsIdentity {
  const [inode, cookie, owner] = addon.netnsIdentity(checkString('netnsIdentity', 'path', path));
  return { inode, cookie, owner: owner < 0 ? null : owner };
}
