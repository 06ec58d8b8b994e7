import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { CatalogService } from '../name/catalog.js';
import { servicesFromRules } from '../name/kube-rules.js';

const run = promisify(execFile);
const OUTPUT_LIMIT = 64 << 20;
const TIMEOUT_MS = 10_000;

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

/** Reads, and only reads, the nat table of a namespace in every back end that is installed. */
export async function readServices(netnsPath: string): Promise<CatalogService[]> {
  const found = await Promise.all(BACK_ENDS.map((backEnd) => readBackEnd(netnsPath, backEnd)));
  return found.flat();
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

async function runInside(netnsPath: string, ...command: string[]): Promise<string> {
  const { stdout } = await run('nsenter', [`--net=${netnsPath}`, ...command], {
    maxBuffer: OUTPUT_LIMIT,
    timeout: TIMEOUT_MS,
  });
  return stdout;
}
