/** What the running kernel and the process's privileges allow, found by trying. */
import { statSync } from 'node:fs';
import { release } from 'node:os';
import { addon, type NativeProbe } from './addon.js';
import { checkName } from './argument.js';
import { errnoName } from './error.js';
import {
  ATTACH_TYPES,
  type AttachTypeName,
  MAP_TYPES,
  PROGRAM_TYPES,
  type ProgramTypeName,
} from './kernel-names.js';

export interface Feature {
  readonly available: boolean;
  /** Why not: the step that failed and its errno; null when available. */
  readonly reason: string | null;
  /** The name of that errno, such as `EPERM`; null when available. */
  readonly code: string | null;
  /** The step, such as `load`; null when available. */
  readonly step: string | null;
}

const AVAILABLE: Feature = { available: true, reason: null, code: null, step: null };

export interface Features {
  readonly kernel: string;
  readonly libbpf: string;
  /** The kernel's own type information in /sys/kernel/btf/vmlinux. */
  readonly btf: Feature;
  readonly ringBuffer: Feature;
  /** A `tp_btf` program loaded and attached. */
  readonly tracepointBtf: Feature;
  /** An `fentry` program loaded and attached. */
  readonly fentry: Feature;
  /** A netfilter link made in a namespace of its own. */
  readonly netfilterLink: Feature;
  /** A tcx link made on the loopback device of a namespace of its own. */
  readonly tcx: Feature;
  readonly mapBatch: Feature;
  readonly stats: Feature;
  readonly programTypes: Readonly<Record<string, Feature>>;
  readonly mapTypes: Readonly<Record<string, Feature>>;
  readonly helpers: Readonly<Record<string, Feature>>;
}

const PROBED_PROGRAM_TYPES: readonly ProgramTypeName[] = [
  'socket_filter',
  'kprobe',
  'sched_cls',
  'tracepoint',
  'xdp',
  'raw_tracepoint',
];

const BPF_F_NO_PREALLOC = 1;

/** Key size, value size, entries and flags that each type takes. */
const PROBED_MAP_TYPES = {
  hash: [4, 4, 1, 0],
  array: [4, 4, 1, 0],
  percpu_hash: [4, 4, 1, 0],
  percpu_array: [4, 4, 1, 0],
  lru_hash: [4, 4, 1, 0],
  lru_percpu_hash: [4, 4, 1, 0],
  lpm_trie: [8, 4, 1, BPF_F_NO_PREALLOC],
  // A page on any architecture Linux has.
  ringbuf: [0, 0, 65_536, 0],
} as const;

/** Helpers by their number in include/uapi/linux/bpf.h, for tracepoint programs. */
const PROBED_HELPERS = {
  probe_read_kernel: 113,
  ringbuf_reserve: 131,
  ktime_get_ns: 5,
  ktime_get_boot_ns: 125,
  loop: 181,
} as const;

/** A function that exists in every kernel with BPF and runs only in kernel tests. */
const FENTRY_TARGET = 'bpf_fentry_test1';
const TRACEPOINT_TARGET = 'kfree_skb';

function feature(probe: NativeProbe): Feature {
  if (probe.errno === 0) return AVAILABLE;
  const code = errnoName(probe.errno);
  return { available: false, reason: `${code} at step "${probe.step}"`, code, step: probe.step };
}

function probeMapType(name: keyof typeof PROBED_MAP_TYPES): Feature {
  const [keySize, valueSize, entries, flags] = PROBED_MAP_TYPES[name];
  return feature(addon.probeMapType(MAP_TYPES[name], keySize, valueSize, entries, flags));
}

/**
 * Whether a program of this type loads: the smallest there is, which is not attached.
 * Says nothing of `tracing`, `ext` and `lsm`, which need a target to load for.
 */
export function probeProgramType(
  type: ProgramTypeName,
  expectedAttachType: AttachTypeName = 'none',
): Feature {
  return feature(
    addon.probeProgramType(
      checkName('probeProgramType', 'type', PROGRAM_TYPES, type),
      checkName('probeProgramType', 'expectedAttachType', ATTACH_TYPES, expectedAttachType),
    ),
  );
}

/** Whether the kernel makes tcx links: it is asked for one on a device that is not there. */
export function probeTcx(): Feature {
  return feature(addon.probeTcx());
}

/**
 * Tries everything once. Takes some tenths of a second, most of it for a network
 * namespace that comes and goes; nothing is left behind.
 */
export function probe(): Features {
  const programTypes: Record<string, Feature> = {};
  for (const name of PROBED_PROGRAM_TYPES) {
    programTypes[name] = probeProgramType(name);
  }
  const mapTypes: Record<string, Feature> = {};
  for (const name of Object.keys(PROBED_MAP_TYPES) as (keyof typeof PROBED_MAP_TYPES)[]) {
    mapTypes[name] = probeMapType(name);
  }
  const rawTracepoint = probeProgramType('raw_tracepoint');
  const helpers: Record<string, Feature> = {};
  for (const [name, number] of Object.entries(PROBED_HELPERS)) {
    helpers[name] = rawTracepoint.available
      ? feature(addon.probeHelper(PROGRAM_TYPES.raw_tracepoint, number))
      : rawTracepoint;
  }
  const tracepointBtf = feature(addon.probeTracing(ATTACH_TYPES.trace_raw_tp, TRACEPOINT_TARGET));
  // libbpf's own probe of this type is an fentry program, which a kernel may
  // refuse while it takes tp_btf.
  programTypes['tracing'] = tracepointBtf;
  const netfilterLink = feature(addon.probeNetfilter());
  programTypes['netfilter'] = netfilterLink.step === 'load' ? netfilterLink : AVAILABLE;
  return {
    kernel: kernelRelease(),
    libbpf: libbpfVersion(),
    btf: probeBtf(),
    ringBuffer: probeMapType('ringbuf'),
    tracepointBtf,
    fentry: feature(addon.probeTracing(ATTACH_TYPES.trace_fentry, FENTRY_TARGET)),
    netfilterLink,
    tcx: probeTcx(),
    mapBatch: feature(addon.probeMapBatch()),
    stats: feature(addon.probeStats()),
    programTypes,
    mapTypes,
    helpers,
  };
}

/** Such as `1.1`. */
export function libbpfVersion(): string {
  return addon.libbpfVersion().replace(/^v/, '');
}

/** Such as `libpcap version 1.10.3 (with TPACKET_V3)`. */
export function pcapVersion(): string {
  return addon.pcapVersion();
}

/** `uname -r`. */
export function kernelRelease(): string {
  return release();
}

/** CPUs that per-CPU maps hold values for; may exceed those online. */
export function possibleCpus(): number {
  return addon.possibleCpus();
}

function probeBtf(): Feature {
  const file = '/sys/kernel/btf/vmlinux';
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size !== undefined && size > 0) return AVAILABLE;
  const reason = size === undefined ? `${file} does not exist` : `${file} is empty`;
  return { available: false, reason, code: 'ENOENT', step: 'find' };
}
