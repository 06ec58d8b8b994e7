import type { Capability } from './capabilities.js';
import { type Privileges, readPrivileges } from './privileges.js';

/** Capabilities of which one is enough, for each thing that is needed. */
export type Needs = readonly (readonly Capability[])[];

export const AS_ROOT = 'run as root, or give the capability to the Node binary with setcap(8)';
export const OUTSIDE =
  'run as root of the machine, not of a user namespace, which a rootless container has';
const WITHOUT_LOCKDOWN = 'boot with lockdown=integrity or lockdown=none';
const WITHOUT_SECCOMP =
  'let the seccomp filter of this process pass bpf(2) and perf_event_open(2) (containers: seccomp=unconfined)';
const BY_POLICY = 'a security policy of this machine forbids it; the kernel log may name it';

/** Whether an errno says that it is forbidden, and not that the kernel cannot. */
export function isRefusal(code: string | null): boolean {
  return code === 'EPERM' || code === 'EACCES';
}

export interface Refusal {
  /** What this process lacks, in a few words. */
  readonly because: string;
  readonly remedy: string;
}

/** What a refusal comes from, by what this process lacks: the first cause that holds. */
export function explainRefusal(privileges: Privileges, needs: Needs): Refusal {
  if (privileges.inUserNamespace) {
    return { because: 'its capabilities are of a user namespace alone', remedy: OUTSIDE };
  }
  const lacking = missingCapabilities(privileges, needs).join(' and ');
  if (lacking !== '') {
    return { because: `it does not have ${lacking}`, remedy: `${lacking}: ${AS_ROOT}` };
  }
  if (privileges.lockdown === 'confidentiality') {
    return { because: 'the kernel is locked down', remedy: WITHOUT_LOCKDOWN };
  }
  return privileges.hasSeccompFilter
    ? { because: 'a seccomp filter is on it', remedy: WITHOUT_SECCOMP }
    : { because: 'a security policy', remedy: BY_POLICY };
}

/** The same of this process, now. */
export async function readRefusal(needs: Needs): Promise<Refusal> {
  return explainRefusal(await readPrivileges(), needs);
}

/** Of each need that is not met the capability that meets it best; none where they are not known. */
export function missingCapabilities({ held }: Privileges, needs: Needs): readonly Capability[] {
  if (held === null) return [];
  const lacking = needs.filter((anyOf) => !anyOf.some((each) => held.has(each)));
  return lacking.flatMap((anyOf) => anyOf.slice(0, 1));
}
