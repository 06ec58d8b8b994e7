/** Numbers of the bpf() interface by name: include/uapi/linux/bpf.h of Linux 6.12. */

export const PROGRAM_TYPES = {
  unspec: 0,
  socket_filter: 1,
  kprobe: 2,
  sched_cls: 3,
  sched_act: 4,
  tracepoint: 5,
  xdp: 6,
  perf_event: 7,
  cgroup_skb: 8,
  cgroup_sock: 9,
  lwt_in: 10,
  lwt_out: 11,
  lwt_xmit: 12,
  sock_ops: 13,
  sk_skb: 14,
  cgroup_device: 15,
  sk_msg: 16,
  raw_tracepoint: 17,
  cgroup_sock_addr: 18,
  lwt_seg6local: 19,
  lirc_mode2: 20,
  sk_reuseport: 21,
  flow_dissector: 22,
  cgroup_sysctl: 23,
  raw_tracepoint_writable: 24,
  cgroup_sockopt: 25,
  tracing: 26,
  struct_ops: 27,
  ext: 28,
  lsm: 29,
  sk_lookup: 30,
  syscall: 31,
  netfilter: 32,
} as const;
export type ProgramTypeName = keyof typeof PROGRAM_TYPES;

export const ATTACH_TYPES = {
  none: 0,
  cgroup_inet_ingress: 0,
  cgroup_inet_egress: 1,
  cgroup_inet_sock_create: 2,
  cgroup_sock_ops: 3,
  flow_dissector: 17,
  trace_raw_tp: 23,
  trace_fentry: 24,
  trace_fexit: 25,
  modify_return: 26,
  lsm_mac: 27,
  trace_iter: 28,
  xdp: 37,
  sk_lookup: 36,
  perf_event: 41,
  netfilter: 45,
  tcx_ingress: 46,
  tcx_egress: 47,
} as const;
export type AttachTypeName = keyof typeof ATTACH_TYPES;

export const MAP_TYPES = {
  unspec: 0,
  hash: 1,
  array: 2,
  prog_array: 3,
  perf_event_array: 4,
  percpu_hash: 5,
  percpu_array: 6,
  stack_trace: 7,
  cgroup_array: 8,
  lru_hash: 9,
  lru_percpu_hash: 10,
  lpm_trie: 11,
  array_of_maps: 12,
  hash_of_maps: 13,
  devmap: 14,
  sockmap: 15,
  cpumap: 16,
  xskmap: 17,
  sockhash: 18,
  cgroup_storage: 19,
  reuseport_sockarray: 20,
  percpu_cgroup_storage: 21,
  queue: 22,
  stack: 23,
  sk_storage: 24,
  devmap_hash: 25,
  struct_ops: 26,
  ringbuf: 27,
  inode_storage: 28,
  task_storage: 29,
  bloom_filter: 30,
  user_ringbuf: 31,
  cgrp_storage: 32,
  arena: 33,
} as const;
export type MapTypeName = keyof typeof MAP_TYPES;

/** include/uapi/linux/btf.h */
export const BTF_KINDS = {
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  function: 12,
  variable: 14,
  section: 15,
  float: 16,
  enum64: 19,
} as const;
export type BtfKindName = keyof typeof BTF_KINDS;

const mapTypeNames = new Map<number, MapTypeName>(
  Object.entries(MAP_TYPES).map(([name, number]) => [number, name as MapTypeName]),
);

/** The name of a map type, or `type 99` for one newer than this table. */
export function mapTypeName(type: number): string {
  return mapTypeNames.get(type) ?? `type ${type}`;
}

interface SectionRule {
  readonly prefix: string;
  readonly type: number;
  readonly attachType: number;
}

/** Sections that libbpf 1.1 does not know; the longest prefix that fits wins. */
const NEWER_SECTIONS: readonly SectionRule[] = [
  {
    prefix: 'netfilter',
    type: PROGRAM_TYPES.netfilter,
    attachType: ATTACH_TYPES.netfilter,
  },
  {
    prefix: 'tcx/ingress',
    type: PROGRAM_TYPES.sched_cls,
    attachType: ATTACH_TYPES.tcx_ingress,
  },
  {
    prefix: 'tcx/egress',
    type: PROGRAM_TYPES.sched_cls,
    attachType: ATTACH_TYPES.tcx_egress,
  },
];

/** Type and attach type of a section newer than libbpf, or null. */
export function newerSection(section: string): SectionRule | null {
  // A leading "?" asks for no autoload and is not part of the name.
  const plain = section.startsWith('?') ? section.slice(1) : section;
  return NEWER_SECTIONS.find((rule) => plain.startsWith(rule.prefix)) ?? null;
}
