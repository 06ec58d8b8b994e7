import { readFile } from 'node:fs/promises';
import type { Features } from 'ebpf-ts';
import {
  absent,
  available,
  type Finding,
  type FindingSubject,
  finding,
  type Observation,
  unknown,
} from './diagnosis.js';

type NativePackage = typeof import('ebpf-ts');

export interface KernelExamination {
  readonly findings: readonly Finding[];
  readonly libbpf: string | null;
}

const NEWER_KERNEL = 'Debian 12 with the kernel of bookworm-backports, or any newer release';

const NOT_TRIED = unknown('not tried without the privileges above');

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
};

const FEATURES: readonly FeatureSubject[] = [
  {
    id: 'btf',
    feature: 'btf',
    area: 'kernel',
    title: 'type information (BTF)',
    need: 'required',
    consequence: 'kernel programs cannot find the fields they read',
    remedy: 'a kernel built with CONFIG_DEBUG_INFO_BTF, as all of Debian 12 are',
  },
  {
    id: 'tp-btf',
    feature: 'tracepointBtf',
    area: 'kernel',
    title: 'typed tracepoints (tp_btf)',
    need: 'required',
    consequence: 'no packet is seen on any device',
    remedy: 'Linux 5.5 or newer, with the privileges above',
  },
  {
    id: 'ring-buffer',
    feature: 'ringBuffer',
    area: 'kernel',
    title: 'ring buffer',
    need: 'required',
    consequence: 'what is seen cannot be handed over',
    remedy: 'Linux 5.8 or newer',
  },
  {
    id: 'tcx',
    feature: 'tcx',
    area: 'kernel',
    title: 'tcx links',
    need: 'optional',
    consequence: 'flows are counted by packet sockets, which cost more and do not show NAT',
    remedy: 'Linux 6.6 or newer',
  },
  {
    id: 'bpf-stats',
    feature: 'stats',
    area: 'kernel',
    title: 'run times of programs',
    need: 'optional',
    consequence: 'what each program costs cannot be measured',
    remedy: 'Linux 5.8 or newer, with CAP_SYS_ADMIN',
  },
];

const LINK: FeatureSubject = {
  id: 'netfilter-link',
  feature: 'netfilterLink',
  area: 'kernel',
  title: 'netfilter links',
  need: 'optional',
  consequence: 'hops at netfilter hooks hang on function entry (fentry)',
  remedy: `Linux 6.4 or newer with CONFIG_NETFILTER_BPF_LINK: ${NEWER_KERNEL}`,
};

const FENTRY: FeatureSubject = {
  id: 'fentry',
  feature: 'fentry',
  area: 'kernel',
  title: 'function entry (fentry)',
  need: 'optional',
  consequence: 'nothing here: it only stands in for netfilter links, which are available',
  remedy: null,
};

/** Where the kernel has no netfilter links, all hangs on what stands in for them. */
const FENTRY_INSTEAD: FeatureSubject = {
  ...FENTRY,
  consequence: 'nothing stands in for netfilter links',
  remedy: 'a kernel with CONFIG_FUNCTION_TRACER and privileges that allow its use',
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
 * @param mayProbe whether this process may load programs; if not, trying tells nothing
 */
export async function examineKernel(mayProbe: boolean): Promise<KernelExamination> {
  let native: NativePackage;
  try {
    // Not a static import: a library that is not there must be a finding, not a crash.
    native = await import('ebpf-ts');
  } catch (error) {
    return { findings: [finding(NATIVE, absent(firstLine(error)))], libbpf: null };
  }
  const features = native.probe();
  const observe = (name: FeatureSubject['feature']): Observation => {
    if (!mayProbe && name !== 'btf') return NOT_TRIED;
    return observeFeature(features, name);
  };
  return {
    libbpf: features.libbpf,
    findings: [
      finding(NATIVE, available(`libbpf ${features.libbpf}`)),
      ...FEATURES.map((each) => finding(each, observe(each.feature))),
      ...[LINK, features.netfilterLink.available ? FENTRY : FENTRY_INSTEAD].map((each) =>
        finding(each, observe(each.feature)),
      ),
      finding(HOOKS, mayProbe ? observeHooks(native, features) : NOT_TRIED),
      ...examineTypes(native),
      finding(JIT, await observeJit()),
    ],
  };
}

/** What the tracer sees packets at hooks with; see source/hook-programs.ts. */
function observeHooks(native: NativePackage, features: Features): Observation {
  if (features.netfilterLink.available) return available('by links');
  const { fentry } = features;
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

function observeFeature(features: Features, name: FeatureSubject['feature']): Observation {
  const { available: there, reason } = features[name];
  return there ? available() : absent(reason);
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
