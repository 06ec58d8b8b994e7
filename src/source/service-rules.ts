import type { CatalogService } from '../name/catalog.js';
import { type VirtualServer, virtualServers } from '../name/ipvs-servers.js';
import { servicesFromNftables } from '../name/kube-nftables.js';
import { servicesFromRules } from '../name/kube-rules.js';
import { runInside } from './inside-namespace.js';

interface BackEnd {
  readonly save: string;
  /**
   * Lists the tables there are. Asking the legacy back end for a table that is not
   * there makes it, hooks and all (net/netfilter/x_tables.c, xt_find_table_lock),
   * so it is asked only for what exists.
   */
  readonly tables: string | null;
}

const BACK_ENDS: readonly BackEnd[] = [
  { save: 'iptables-nft-save', tables: null },
  { save: 'ip6tables-nft-save', tables: null },
  { save: 'iptables-legacy-save', tables: '/proc/net/ip_tables_names' },
  { save: 'ip6tables-legacy-save', tables: '/proc/net/ip6_tables_names' },
];

/**
 * Reads, and only reads, what the service proxies of a namespace left there: the nat
 * table in every back end of iptables that is installed, and kube-proxy's own tables.
 */
export async function readServices(netnsPath: string): Promise<CatalogService[]> {
  const found = await Promise.all([
    ...BACK_ENDS.map((backEnd) => readBackEnd(netnsPath, backEnd)),
    ...['ip', 'ip6'].map((family) => readNftables(netnsPath, family)),
  ]);
  return found.flat();
}

/** The virtual servers of a namespace; the kernel knows no names for them. */
export async function readVirtualServers(netnsPath: string): Promise<VirtualServer[]> {
  try {
    return virtualServers(await runInside(netnsPath, 'cat', '/proc/net/ip_vs'));
  } catch {
    // No ip_vs in this kernel, or it is not loaded, or the namespace is gone.
    return [];
  }
}

async function readNftables(netnsPath: string, family: string): Promise<CatalogService[]> {
  try {
    const table = await runInside(netnsPath, 'nft', 'list', 'table', family, 'kube-proxy');
    return servicesFromNftables(table);
  } catch {
    // No nft, no such table, or the namespace is gone.
    return [];
  }
}

async function readBackEnd(netnsPath: string, backEnd: BackEnd): Promise<CatalogService[]> {
  try {
    if (backEnd.tables !== null) {
      const tables = await runInside(netnsPath, 'cat', backEnd.tables);
      if (!tables.split('\n').includes('nat')) {
        return [];
      }
    }
    return servicesFromRules(await runInside(netnsPath, backEnd.save, '-t', 'nat'));
  } catch {
    // The tool is not installed, the table not there, or the namespace gone:
    // services of that back end stay without a name.
    return [];
  }
}
