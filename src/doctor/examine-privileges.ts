import { readFile } from 'node:fs/promises';
import { type Capability, effectiveCapabilities } from './capabilities.js';
import {
  absent,
  available,
  type Finding,
  type FindingSubject,
  finding,
  unknown,
} from './diagnosis.js';

const AS_ROOT = 'run as root, or give the capability to the Node binary with setcap(8)';

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
    title: 'attaching to the network (CAP_NET_ADMIN)',
    need: 'wanted',
    anyOf: ['CAP_NET_ADMIN'],
    consequence: 'netfilter hooks and devices cannot be attached to',
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

export async function examinePrivileges(): Promise<Finding[]> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  const held = effectiveCapabilities(status);
  const findings = CAPABILITIES.map((each) => {
    const found = each.anyOf.find((capability) => held.has(capability));
    return finding(each, found === undefined ? absent() : available(found));
  });
  findings.push(finding(LOCKDOWN, await observeLockdown()));
  return findings;
}

/** The chosen mode is the one in brackets (security/lockdown/lockdown.c). */
async function observeLockdown() {
  const file = '/sys/kernel/security/lockdown';
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => error);
  if (typeof text !== 'string') {
    // securityfs need not be mounted, and then it is not for certain.
    return text.code === 'ENOENT' ? available('not in use') : unknown(text.message);
  }
  const mode = lockdownMode(text);
  return mode === 'confidentiality' ? absent(mode) : available(mode);
}

export function lockdownMode(text: string): string | null {
  return /\[(\w+)\]/.exec(text)?.[1] ?? null;
}
