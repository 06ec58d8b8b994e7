import { expect } from 'vitest';
import { labState } from '../../src/lab/state.js';
import type { DropRecord, Hook } from '../../src/model/records.js';

/** Where a rule's drop happens: in the loop over the hooks, or in nftables itself. */
const NETFILTER = /^(nf_hook_slow|nft_do_chain)$/;

/**
 * What must be said of a packet that a rule dropped where iptables filters. kube-proxy in
 * its nftables mode hangs a table at the same priority, and nothing tells the two apart.
 */
export async function droppedByRule(hook: Hook): Promise<Partial<DropRecord>> {
  const both = (await labState())?.proxy === 'nftables';
  return {
    reason: 'NETFILTER_DROP',
    location: expect.stringMatching(NETFILTER) as string,
    hook,
    table: both ? null : 'filter',
    tables: both ? ['filter', 'kube-proxy'] : ['filter'],
  };
}
