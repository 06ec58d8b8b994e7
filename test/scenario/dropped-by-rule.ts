import type { DropRecord, Hook } from 'hopscope-protocol';
import { expect } from 'vitest';
import { labState } from '../../src/lab/state.js';

/** Where a rule's drop happens: in the loop over the hooks, or in nftables itself. */
const NETFILTER = /^(nf_hook_slow|nft_do_chain)$/;

/**
 * What must be said of a packet that a rule dropped where iptables filters. kube-proxy in
 * its nftables mode registers a table at the same priority: the rules show which of the two it was.
 *
 * @param rule what the rule's text has
 */
export async function droppedByRule(
  hook: Hook,
  chain: RegExp,
  rule: RegExp,
): Promise<Partial<DropRecord>> {
  const both = (await labState())?.proxy === 'nftables';
  return {
    reason: 'NETFILTER_DROP',
    location: expect.stringMatching(NETFILTER) as string,
    hook,
    table: expect.stringMatching(/^(?:filter|kube-proxy)$/) as string,
    tables: both ? ['filter', 'kube-proxy'] : ['filter'],
    chain: expect.stringMatching(chain) as string,
    rule: expect.stringMatching(rule) as string,
  };
}
