import { type BaseChain, chainsFromLegacy, chainsFromNftables } from '../name/base-chains.js';
import { runInside } from './inside-namespace.js';

/** Reads, and only reads, which tables are registered at the hooks of a namespace. */
export async function readBaseChains(netnsPath: string): Promise<BaseChain[]> {
  const [nftables, legacy4, legacy6] = await Promise.all([
    said(netnsPath, 'nft', '-j', 'list', 'chains'),
    said(netnsPath, 'cat', '/proc/net/ip_tables_names'),
    said(netnsPath, 'cat', '/proc/net/ip6_tables_names'),
  ]);
  // Without nft it is not known what else is registered, and a part of it would mislead.
  if (nftables === null) return [];
  return [
    ...chainsFromNftables(nftables),
    ...chainsFromLegacy(legacy4 ?? '', 'ipv4'),
    ...chainsFromLegacy(legacy6 ?? '', 'ipv6'),
  ];
}

/** `null` where the tool, the back end or the namespace is not there. */
async function said(netnsPath: string, ...command: string[]): Promise<string | null> {
  try {
    return await runInside(netnsPath, ...command);
  } catch {
    return null;
  }
}
