import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Feature, Features } from 'ebpf-ts';
import {
  absent,
  available,
  type Finding,
  type FindingSubject,
  finding,
  type Observation,
  unknown,
} from './diagnosis.js';
import { remedyOfOpenFiles } from './examine-open-files.js';
import type { Privileges } from './privileges.js';
import { explainRefusal, isRefusal, missingCapabilities, type Needs } from './refusal.js';

type NativePackage = typeof import('ebpf-ts');

export interface KernelExamination {
  readonly findings: readonly Finding[];
  readonly libbpf: string | null;
}

const NEWER_KERNEL = 'Debian 12 with the kernel of bookworm-backports, or any newer release';

const NOT_TRIED = unknown('not tried without the privileges above');
const WITHOUT_TYPES = unknown('not tried without type information');

const LOADING: Needs = [['CAP_BPF', 'CAP_SYS_ADMIN']];
const TRACING: Needs = [...LOADING, ['CAP_PERFMON', 'CAP_SYS_ADMIN']];
const ATTACHING: Needs = [...LOADING, ['CAP_NET_ADMIN', 'CAP_SYS_ADMIN']];
const MEASURING: Needs = [['CAP_SYS_ADMIN']];

/** The step of a probe that makes a network namespace for it. */
const SCRATCH_STEP = 'unshare';

/** net/netfilter/core.c: what a packet goes through at a hook. */
const HOOK_FUNCTION = 'nf_hook_slow';

const NATIVE: FindingSubject = {
  id: 'native',
  area: 'kernel',
  title: 'native package',
  need: 'required',
  consequence: 'the kernel cannot be reached at all',
  remedy: 'npm run build, which also installs the libraries it needs',
};

type FeatureSubject = FindingSubject & {
  readonly feature:
    | 'btf'
    | 'tracepointBtf'
    | 'ringBuffer'
    | 'netfilterLink'
    | 'tcx'
    | 'fentry'
    | 'stats';
  /** What the kernel asks of a process that tries it. */
  readonly needs: Needs;
  /** Whether it is of no use, and cannot be tried, without type information. */
  readonly byTypes?: true;
};

const FEATURES: readonly FeatureSubject[] = [
  {
    id: 'btf',
    feature: 'btf',
    needs: [],
    area: 'kernel',
    title: 'type information (BTF)',
    need: 'required',
    consequence: 'kernel programs cannot find the fields they read',
    remedy: 'a kernel built with CONFIG_DEBUG_INFO_BTF, as all of Debian 12 are',
  },
  {
    id: 'tp-btf',
    feature: 'tracepointBtf',
    needs: TRACING,
    byTypes: true,
    area: 'kernel',
    title: 'typed tracepoints (tp_btf)',
    need: 'required',
    consequence: 'no packet is seen on any device',
    remedy: 'Linux 5.5 or newer',
  },
  {
    id: 'ring-buffer',
    feature: 'ringBuffer',
    needs: LOADING,
    area: 'kernel',
    title: 'ring buffer',
    need: 'required',
    consequence: 'what is seen cannot be handed over',
    remedy: 'Linux 5.8 or newer',
  },
  {
    id: 'tcx',
    feature: 'tcx',
    needs: ATTACHING,
    area: 'kernel',
    title: 'tcx links',
    need: 'optional',
    consequence: 'flows are counted by packet sockets, which cost more and do not show NAT',
    remedy: 'Linux 6.6 or newer',
  },
  {
    id: 'bpf-stats',
    feature: 'stats',
    needs: MEASURING,
    area: 'kernel',
    title: 'run times of programs',
    need: 'optional',
    consequence: 'what each program costs cannot be measured',
    remedy: 'Linux 5.8 or newer',
  },
];

const LINK: FeatureSubject = {
  id: 'netfilter-link',
  feature: 'netfilterLink',
  needs: ATTACHING,
  area: 'kernel',
  title: 'netfilter links',
  need: 'optional',
  consequence: 'hops at netfilter hooks are seen at function entry (fentry)',
  remedy: `Linux 6.4 or newer with CONFIG_NETFILTER_BPF_LINK: ${NEWER_KERNEL}`,
};

const FENTRY: FeatureSubject = {
  id: 'fentry',
  feature: 'fentry',
  needs: TRACING,
  byTypes: true,
  area: 'kernel',
  title: 'function entry (fentry)',
  need: 'optional',
  consequence: 'nothing here: it only stands in for netfilter links, which are available',
  remedy: null,
};

/** Where the kernel has no netfilter links, what replaces them is required. */
const FENTRY_INSTEAD: FeatureSubject = {
  ...FENTRY,
  consequence: 'nothing stands in for netfilter links',
  remedy: 'a kernel with CONFIG_FUNCTION_TRACER',
};

const HOOKS: FindingSubject = {
  id: 'netfilter-hops',
  area: 'kernel',
  title: 'netfilter hops',
  need: 'wanted',
  consequence:
    'no hops at netfilter hooks; NAT shows only from one device to the next, drops without the hook',
  remedy: `netfilter links, as of ${NEWER_KERNEL}, or fentry`,
};

const CONNTRACK: FindingSubject = {
  id: 'conntrack-btf',
  area: 'kernel',
  title: 'connection tracking entries',
  need: 'wanted',
  consequence: 'the two sides of a translated connection cannot be joined',
  remedy: 'modprobe nf_conntrack; hopscope notices by itself',
};

const DROP_REASONS: FindingSubject = {
  id: 'drop-reasons',
  area: 'kernel',
  title: 'drop reasons',
  need: 'wanted',
  consequence: 'drops are seen without the kernel naming why',
  remedy: `Linux 5.17 or newer: ${NEWER_KERNEL}`,
};

const JIT: FindingSubject = {
  id: 'jit',
  area: 'kernel',
  title: 'BPF just-in-time compiler',
  need: 'wanted',
  consequence: 'programs are interpreted, which costs every packet several times as much',
  remedy: 'sysctl net.core.bpf_jit_enable=1',
};

/**
 * What the kernel offers to BPF, by trying each thing once where nothing else is met
 * by it. Nothing is left attached.
 *
 * @param privileges what explains a refusal
 * @param mayProbe whether this process may load programs; if not, trying shows nothing
 */
export async function examineKernel(
  privileges: Privileges,
  mayProbe: boolean,
): Promise<KernelExamination> {
  let native: NativePackage;
  try {
    // Not a static import: a library that is not there must be a finding, not a crash.
    native = await import('ebpf-ts');
  } catch (error) {
    return { findings: [finding(NATIVE, observeMissing(error))], libbpf: null };
  }
  const features = native.probe();
  const observe = (each: FeatureSubject): Observation => {
    if (each.feature === 'btf') return observeTypeInformation(features);
    if (!mayProbe) return NOT_TRIED;
    if (each.byTypes && !features.btf.available) return WITHOUT_TYPES;
    return observeFeature(features, each, privileges);
  };
  return {
    libbpf: features.libbpf,
    findings: [
      finding(NATIVE, available(`libbpf ${features.libbpf}`)),
      ...FEATURES.map((each) => finding(each, observe(each))),
      ...[LINK, features.netfilterLink.available ? FENTRY : FENTRY_INSTEAD].map((each) =>
        finding(each, observe(each)),
      ),
      finding(HOOKS, mayProbe ? observeHooks(native, features, privileges) : NOT_TRIED),
      ...examineTypes(native),
      finding(JIT, await observeJit()),
    ],
  };
}

/** What the tracer sees packets at hooks with; see source/hook-programs.ts. */
function observeHooks(
  native: NativePackage,
  features: Features,
  privileges: Privileges,
): Observation {
  const { netfilterLink: link, fentry } = features;
  if (link.available) return available('by links');
  if (isRefusal(link.code)) return refused(link, ATTACHING, privileges);
  if (isRefusal(fentry.code)) return refused(fentry, TRACING, privileges);
  if (!fentry.available) return absent(`no links, and no fentry: ${fentry.reason}`);
  const kernel = tryOr(() => native.Btf.kernel());
  if (!kernel.ok) return unknown(kernel.reason);
  try {
    return kernel.value.hasType('function', HOOK_FUNCTION)
      ? available('by fentry, in namespaces that have rules or connection tracking')
      : absent(`no links, and no function ${HOOK_FUNCTION}`);
  } finally {
    kernel.value.close();
  }
}

function observeFeature(
  features: Features,
  { feature, needs }: FeatureSubject,
  privileges: Privileges,
): Observation {
  const found = features[feature];
  if (found.available) return available();
  return isRefusal(found.code) ? refused(found, needs, privileges) : absent(found.reason);
}

/** What the kernel forbids says nothing of what it can, and a newer one does not help. */
function refused({ reason, step }: Feature, needs: Needs, privileges: Privileges): Observation {
  // It is tried in a namespace made for it; in the daemon's own it may be allowed.
  if (step === SCRATCH_STEP && missingCapabilities(privileges, MEASURING).length > 0) {
    return unknown(`not tried without CAP_SYS_ADMIN: ${reason}`);
  }
  return absent(`not permitted: ${reason}`, explainRefusal(privileges, needs).remedy);
}

function observeTypeInformation({ btf }: Features): Observation {
  if (btf.available) return available();
  return existsSync('/sys/kernel')
    ? absent(btf.reason)
    : absent(
        '/sys is not mounted',
        'mount -t sysfs sysfs /sys (in a container: bind it from the host)',
      );
}

/** Not every failure to load it is a package that was not built. */
function observeMissing(error: unknown): Observation {
  const reason = firstLine(error);
  return /EMFILE|ENFILE|Too many open files/i.test(reason)
    ? absent(reason, remedyOfOpenFiles(0))
    : absent(reason);
}

function examineTypes(native: NativePackage): Finding[] {
  const kernel = tryOr(() => native.Btf.kernel());
  if (!kernel.ok) {
    return [
      finding(CONNTRACK, unknown(kernel.reason)),
      finding(DROP_REASONS, unknown(kernel.reason)),
    ];
  }
  try {
    const reasons = tryOr(() => kernel.value.enumValues('skb_drop_reason').size);
    return [
      finding(CONNTRACK, observeConntrack(native, kernel.value)),
      finding(DROP_REASONS, reasons.ok ? available(`${reasons.value} known`) : absent()),
    ];
  } finally {
    kernel.value.close();
  }
}

/** `struct nf_conn` is the kernel's own, or its module's once that is loaded. */
function observeConntrack(native: NativePackage, kernel: import('ebpf-ts').Btf): Observation {
  if (kernel.hasType('struct', 'nf_conn')) return available('built in');
  const module = tryOr(() => native.Btf.module('nf_conntrack'));
  if (!module.ok) return absent(module.reason);
  try {
    return module.value.hasType('struct', 'nf_conn') ? available('module') : absent();
  } finally {
    module.value.close();
  }
}

async function observeJit(): Promise<Observation> {
  const file = '/proc/sys/net/core/bpf_jit_enable';
  const text = await readFile(file, 'utf8').catch((error: Error) => error);
  if (typeof text !== 'string') return unknown(text.message);
  return text.trim() === '0' ? absent() : available();
}

type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

function tryOr<T>(work: () => T): Outcome<T> {
  try {
    return { ok: true, value: work() };
  } catch (error) {
    return { ok: false, reason: firstLine(error) };
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n')[0] ?? text;
}
