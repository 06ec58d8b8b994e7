import { netnsIdentity } from 'ebpf-ts';

/** Which network namespace it is. */
export interface NamespaceNumber {
  /**
   * The low half of its cookie, by which records name it (bpf/kernel.h, `netns_number`): no
   * other one has had it since the machine began.
   */
  readonly netns: number;
  /** Inode number, by which tools name it: the next one may have it when this one has gone. */
  readonly inode: number;
  /** User who made it, or its user namespace: see `netnsIdentity`. */
  readonly owner: number | null;
}

/**
 * The namespace that a path is of.
 *
 * @throws BpfError as `netnsIdentity` does
 */
export function readNamespace(path: string): NamespaceNumber {
  const { inode, cookie, owner } = netnsIdentity(path);
  return { netns: Number(cookie & 0xffff_ffffn), inode: Number(inode), owner };
}
