/** Gives up privileges for good. */
import { readdirSync, readFileSync } from 'node:fs';
import { addon } from './addon.js';
import { checkBoolean, checkInteger, checkName } from './argument.js';
import { BpfError, badArgument } from './error.js';

/** Bits of capabilities(7), include/uapi/linux/capability.h: those that observing may need. */
export const CAPABILITIES = {
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYSLOG: 34,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;
export type CapabilityName = keyof typeof CAPABILITIES;

/** The largest user that a process may have; the next number means none. */
const USER_MAX = 2 ** 32 - 2;

export interface Confinement {
  /**
   * User and group from now on, without any further group; absent: as they are. It needs
   * CAP_SETUID and CAP_SETGID.
   */
  readonly user?: number;
  /** Of the capabilities that there are, those that are kept; with another user none are. */
  readonly keep: readonly CapabilityName[];
  /**
   * Whether the kernel refuses what a process that reads handed maps and serves has no reason
   * for: other processes' memory, namespaces, mounts, modules, new maps and programs
   * (addon/system-call-filter.cc). It holds for child processes too.
   */
  readonly filter: boolean;
}

/**
 * Gives up user, capabilities and system calls in every thread of this process, once and for all:
 * with no-new-privs no program that it starts gets more (prctl(2), PR_SET_NO_NEW_PRIVS). What it
 * has open stays open. It is checked in /proc that every thread is confined.
 *
 * @throws BpfError `BPF_BAD_ARGUMENT`; `EPERM` when it may not change the user; `EINVAL` when its
 *   user namespace has no such user; `ETIMEDOUT` when a thread did not answer; `BPF_NOT_CONFINED`
 *   when one kept more than it should: end the process then
 */
export function confine({ user, keep, filter }: Confinement): void {
  const id = user === undefined ? -1 : checkInteger('confine', 'user', user, 1, USER_MAX);
  if (!Array.isArray(keep)) throw badArgument('confine', 'keep must be an array');
  const bits = keep.map((name) => checkName('confine', 'a capability', CAPABILITIES, name));
  const mask = bits.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
  const isFiltered = checkBoolean('confine', 'filter', filter);
  addon.confine(id, mask, isFiltered);
  for (const thread of readdirSync('/proc/self/task')) {
    const free = whatIsFree(thread, user === undefined ? mask : 0n, isFiltered);
    if (free !== null) {
      throw new BpfError('confine', 0, 'BPF_NOT_CONFINED', `thread ${thread}: ${free}`, null);
    }
  }
}

/** What a thread has that it should not have; null: nothing. */
function whatIsFree(thread: string, mask: bigint, isFiltered: boolean): string | null {
  let status: string;
  try {
    status = readFileSync(`/proc/self/task/${thread}/status`, 'latin1');
  } catch {
    // It has ended meanwhile.
    return null;
  }
  const field = (name: string): string =>
    new RegExp(`^${name}:\\s*(\\w+)`, 'mu').exec(status)?.[1] ?? '';
  for (const set of ['CapPrm', 'CapEff', 'CapInh', 'CapAmb']) {
    const value = BigInt(`0x${field(set)}`);
    if ((value & ~mask) !== 0n) return `${set} ${field(set)}`;
  }
  if (field('NoNewPrivs') !== '1') return 'no-new-privs is off';
  return isFiltered && field('Seccomp') !== '2' ? 'system calls are not filtered' : null;
}
