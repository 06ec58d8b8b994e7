import { constants, openSync, readdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { BpfError, type CapabilityName, confine } from 'ebpf-ts';
import { log } from '../logger.js';
import { Reach } from '../serve/reach.js';

/**
 * What observing needs: loading programs, reading kernel memory in them, attaching to the network,
 * entering namespaces; names of functions; packet sockets before Linux 6.6; namespaces of other
 * users' processes.
 */
export const OBSERVER_CAPABILITIES: readonly CapabilityName[] = [
  ...(['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN'] as const),
  ...(['CAP_SYSLOG', 'CAP_NET_RAW', 'CAP_SYS_PTRACE'] as const),
];

/** Users for services that have none of their own (systemd.exec(5), DynamicUser=). */
const USER_FIRST = 61_184;
const USER_LAST = 65_519;
const OTHERS_MAY_ENTER = 0o5;
const OTHERS_MAY_READ = 0o4;
/**
 * The outermost folder on the way to `file` from which on everybody may go on; null where the file
 * itself is not for everybody. A checkout in /root is such a folder: others may read what is in it,
 * and may not pass /root.
 */
export function openFolder(file: string): string | null {
  if ((statSync(file).mode & OTHERS_MAY_READ) === 0) return null;
  let folder: string | null = null;
  for (let each = dirname(file); ; each = dirname(each)) {
    if ((statSync(each).mode & OTHERS_MAY_ENTER) !== OTHERS_MAY_ENTER) return folder;
    folder = each;
    if (each === '/') return folder;
  }
}

/** A user that no process has. */
function freeUser(): number {
  const taken = new Set(
    readdirSync('/proc')
      .filter((name) => /^\d+$/u.test(name))
      .map((pid) => statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid),
  );
  let user = USER_FIRST + (process.pid % (USER_LAST - USER_FIRST));
  while (taken.has(user) && user < USER_LAST) user += 1;
  return user;
}

/**
 * Gives up all privileges of the process that parses, joins and serves.
 *
 * @param file one of hopscope's own, which it and its children must read from now on
 * @throws BpfError as `confine`: end the process then
 */
export function confineJoiner(file: string): Reach {
  const nothing = { keep: [], filter: true } as const;
  const folder = openFolder(file);
  if (process.getuid?.() === 0 && folder !== null) {
    // A folder that is read through its descriptor needs no way to it.
    const descriptor =
      folder === '/' ? null : openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      confine({ ...nothing, user: freeUser() });
      return new Reach(folder, descriptor);
    } catch (error) {
      // Nothing has been given up: it may not change its user, or there is no such user here.
      if (!(error instanceof BpfError) || !['EPERM', 'EINVAL'].includes(error.code)) throw error;
    }
  } else if (folder === null) {
    log.warn(
      'shared-user',
      `${dirname(file)} is not readable by others, so the process that joins keeps its user; chmod -R go+rX gives it its own`,
    );
  }
  confine(nothing);
  return new Reach('/', null);
}

/** Keeps what observing needs, and gives up the rest. */
export function confineObserver(): void {
  confine({ keep: OBSERVER_CAPABILITIES, filter: false });
}
