import type { Tuple } from './tuple.js';

/** `info` of an observation without a conntrack entry. */
export const NO_CONNTRACK = 0xff;
/** enum ip_conntrack_info (include/uapi/linux/netfilter/nf_conntrack_common.h). */
export const CT_IS_REPLY = 3;
export const CT_UNTRACKED = 7;
/** State by `info`. */
export const CT_STATES = [
  ...(['established', 'related', 'new', 'established', 'related', 'new'] as const),
  ...(['invalid', 'untracked'] as const),
] as const;

/** A conntrack entry as it was at one or more hops. */
export interface Conntrack {
  /** enum ip_conntrack_info. */
  readonly info: number;
  /** IPS_* */
  readonly status: number;
  readonly zone: number;
  /** Of the struct nf_conn, its low 48 bits; 0 for none. */
  readonly address: number;
  readonly original: Tuple | null;
  readonly reply: Tuple | null;
}
