import type { Hook } from 'hopscope-protocol';
import { HOOK_NAMES, OBSERVED_PRIORITIES } from '../name/netfilter-table.js';

/**
 * What sees packets at netfilter hooks: netfilter links (Linux 6.4); before that the
 * entry of the kernel's own functions (fentry); or nothing, where neither is there.
 */
export type HookInstrument = 'link' | 'fentry' | 'none';

/** The tracer's netfilter entry points by the priority they report. */
const LINK_PROGRAMS: ReadonlyMap<number, string> = new Map([
  [-301, 'nf_before_raw'],
  [-151, 'nf_before_mangle'],
  [-101, 'nf_before_dstnat'],
  [-99, 'nf_after_dstnat'],
  [-1, 'nf_before_filter'],
  [1, 'nf_after_filter'],
  [97, 'nf_before_srcnat'],
  [101, 'nf_after_srcnat'],
]);

/** What they call: it does their work. */
export const LINK_WORK_PROGRAM = 'nf_observe';
/** The map that they find it in. */
export const LINK_WORK_MAP = 'hook_program';

/** A program on the entry or the return of a kernel function. */
export interface FunctionProgram {
  readonly program: string;
  readonly target: string;
  /** Where the function is when it is not in the kernel proper. */
  readonly module: string | null;
}

/** Without these there are no hops at hooks. */
const HOOK_PROGRAMS: readonly FunctionProgram[] = [
  { program: 'hook_begin', target: 'nf_hook_slow', module: null },
  { program: 'hook_end', target: 'nf_hook_slow', module: null },
  { program: 'hook_deliver', target: 'ip_protocol_deliver_rcu', module: null },
];

/** These show how far a packet has come in a hook. */
const PROGRESS_PROGRAMS: readonly FunctionProgram[] = [
  { program: 'hook_deliver6', target: 'ip6_protocol_deliver_rcu', module: null },
  { program: 'hook_iptables', target: 'ipt_do_table', module: 'ip_tables' },
  { program: 'hook_ip6tables', target: 'ip6t_do_table', module: 'ip6_tables' },
  { program: 'hook_nftables', target: 'nft_do_chain', module: 'nf_tables' },
  { program: 'hook_nat', target: 'nf_nat_inet_fn', module: 'nf_nat' },
  { program: 'hook_ipvs', target: 'ip_vs_out_hook', module: 'ip_vs' },
  { program: 'hook_confirm', target: 'ipv4_confirm', module: 'nf_conntrack' },
  { program: 'hook_confirm6', target: 'ipv6_confirm', module: 'nf_conntrack' },
];

export const LINK_PROGRAM_NAMES: readonly string[] = [...LINK_PROGRAMS.values(), LINK_WORK_PROGRAM];
export const FUNCTION_PROGRAMS: readonly FunctionProgram[] = [
  ...HOOK_PROGRAMS,
  ...PROGRESS_PROGRAMS,
];

/** Whether a function program is one that hops at hooks cannot do without. */
export function isIndispensable(program: FunctionProgram): boolean {
  return HOOK_PROGRAMS.includes(program);
}

/**
 * Modules whose types the programs read or whose functions they are attached to: when
 * one is loaded, programs that were loaded before cannot see it.
 */
export function modulesOf(instrument: HookInstrument): readonly string[] {
  const modules = new Set(['nf_conntrack']);
  if (instrument === 'fentry') {
    for (const { module } of FUNCTION_PROGRAMS) {
      if (module !== null) {
        modules.add(module);
      }
    }
  }
  return [...modules];
}

/** The program of a netfilter link that reports `priority`. */
export function linkProgram(priority: number): string {
  const name = LINK_PROGRAMS.get(priority);
  if (name === undefined) {
    throw new RangeError(`the tracer has no entry point for priority ${priority}`);
  }
  return name;
}

/** Of `struct hook_priorities` in bpf/hook-fentry.h. */
const COLUMNS = 5;
const PRIORITY_LAST = 0x7fff_ffff;

/** The observed priorities of each hook, as the tracer's `observed_priorities` takes them. */
export function hookPriorities(
  observed: Readonly<Record<Hook, readonly { readonly priority: number }[]>> = OBSERVED_PRIORITIES,
): Uint8Array {
  const table = new Int32Array(HOOK_NAMES.length * COLUMNS).fill(PRIORITY_LAST);
  HOOK_NAMES.forEach((hook, row) => {
    const observedAt = observed[hook];
    if (observedAt.length > COLUMNS) {
      throw new RangeError(
        `${hook} has ${observedAt.length} priorities that are observed, at most ${COLUMNS} fit`,
      );
    }
    observedAt.forEach(({ priority }, column) => {
      table[row * COLUMNS + column] = priority;
    });
  });
  return new Uint8Array(table.buffer);
}
