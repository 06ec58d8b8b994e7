import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { CatalogService } from '../name/catalog.js';
import { servicesFromRules } from '../name/kube-rules.js';

const run = promisify(execFile);
const OUTPUT_LIMIT = 64 << 20;
const TIMEOUT_MS = 10_000;

/** Reads, and only reads, the nat table of a namespace in every back end that is installed. */
export async function readServices(netnsPath: string): Promise<CatalogService[]> {
  const services: CatalogService[] = [];
  for (const tool of ['iptables-nft-save', 'iptables-legacy-save', 'ip6tables-nft-save']) {
    try {
      const { stdout } = await run('nsenter', [`--net=${netnsPath}`, tool, '-t', 'nat'], {
        maxBuffer: OUTPUT_LIMIT,
        timeout: TIMEOUT_MS,
      });
      services.push(...servicesFromRules(stdout));
    } catch {
      // The tool is not installed, the table not there, or the namespace gone:
      // services of that back end stay without a name.
    }
  }
  return services;
}
