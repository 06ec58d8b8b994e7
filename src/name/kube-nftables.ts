import type { CatalogService } from './catalog.js';

const MAP = /^\s*map (service-ips|service-nodeports) \{/u;
/** `10.0.0.1 . tcp . 80 : goto service-ABCDEFGH-namespace/name/tcp/port-name`. */
const ADDRESS =
  /([0-9a-f.:]+) \. (\w+) \. (\d+) : goto (?:service|external)-\w+-([^\s/]+\/[^\s/]+)\//gu;
/** `tcp . 30080 : goto external-ABCDEFGH-namespace/name/tcp/port-name`. */
const NODE_PORT = /(\w+) \. (\d+) : goto external-\w+-([^\s/]+\/[^\s/]+)\//gu;

/**
 * Services from kube-proxy's own table in nftables mode, in the text of
 * `nft list table ip kube-proxy`: chains are called after them, and maps say which
 * address or port leads to which (kubernetes, pkg/proxy/nftables/proxier.go).
 */
export function servicesFromNftables(listing: string): CatalogService[] {
  const services: CatalogService[] = [];
  let map: string | null = null;
  for (const line of listing.split('\n')) {
    map = MAP.exec(line)?.[1] ?? (line.trim() === '}' ? null : map);
    if (map === 'service-ips') {
      for (const [, ip = '', proto = '', port = '', name = ''] of line.matchAll(ADDRESS)) {
        services.push({ name, ip, port: Number(port), proto });
      }
    } else if (map === 'service-nodeports') {
      for (const [, proto = '', port = '', name = ''] of line.matchAll(NODE_PORT)) {
        services.push({ name, ip: null, port: Number(port), proto });
      }
    }
  }
  return services;
}
