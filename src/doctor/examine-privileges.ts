import type { Capability } from './capabilities.js';
import {
  absent,
  available,
  type Finding,
  type FindingSubject,
  finding,
  type Observation,
  unknown,
} from './diagnosis.js';
import type { Privileges } from './privileges.js';
import { AS_ROOT, OUTSIDE } from './refusal.js';

type CapabilitySubject = FindingSubject & { readonly anyOf: readonly Capability[] };

const CAPABILITIES: readonly CapabilitySubject[] = [
  {
    id: 'cap-bpf',
    area: 'privileges',
    title: 'loading BPF programs (CAP_BPF)',
    need: 'required',
    anyOf: ['CAP_BPF', 'CAP_SYS_ADMIN'],
    consequence: 'no program can be loaded, so nothing can be traced',
    remedy: AS_ROOT,
  },
  {
    id: 'cap-perfmon',
    area: 'privileges',
    title: 'reading kernel memory from BPF (CAP_PERFMON)',
    need: 'required',
    anyOf: ['CAP_PERFMON', 'CAP_SYS_ADMIN'],
    consequence: 'tracepoint programs cannot be loaded, so nothing can be traced',
    remedy: AS_ROOT,
  },
  {
    id: 'cap-net-admin',
    area: 'privileges',
    title: 'reading the rules of services (CAP_NET_ADMIN)',
    need: 'wanted',
    anyOf: ['CAP_NET_ADMIN'],
    consequence: 'services have no names, and without CAP_SYS_ADMIN nothing is attached to hooks',
    remedy: AS_ROOT,
  },
  {
    id: 'cap-sys-admin',
    area: 'privileges',
    title: 'entering network namespaces (CAP_SYS_ADMIN)',
    need: 'wanted',
    anyOf: ['CAP_SYS_ADMIN'],
    consequence: "only the daemon's own namespace has device names and netfilter hops",
    remedy: AS_ROOT,
  },
];

const LOCKDOWN: FindingSubject = {
  id: 'lockdown',
  area: 'privileges',
  title: 'kernel lockdown leaves BPF its reads',
  need: 'required',
  consequence: 'the kernel forbids BPF to read its memory, so nothing can be traced',
  remedy: 'boot with lockdown=integrity or lockdown=none',
};

export function examinePrivileges(privileges: Privileges): Finding[] {
  return [
    ...CAPABILITIES.map((each) => finding(each, observeCapability(privileges, each.anyOf))),
    finding(LOCKDOWN, observeLockdown(privileges)),
  ];
}

function observeCapability(
  { held, inUserNamespace }: Privileges,
  anyOf: readonly Capability[],
): Observation {
  if (held === null) return unknown('/proc/self/status cannot be read');
  const found = anyOf.find((capability) => held.has(capability));
  if (found === undefined) return absent();
  return inUserNamespace ? absent(`${found} of a user namespace alone`, OUTSIDE) : available(found);
}

function observeLockdown({ lockdown, lockdownHidden }: Privileges): Observation {
  if (lockdownHidden !== null) return unknown(lockdownHidden);
  if (lockdown === null) return available('not in use');
  return lockdown === 'confidentiality' ? absent(lockdown) : available(lockdown);
}
