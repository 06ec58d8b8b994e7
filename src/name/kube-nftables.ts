import { isIP } from 'node:net';
import { type CatalogService, portOf } from './catalog.js';

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
  const add = (service: Omit<CatalogService, 'port'> & { port: number | null }): void => {
    const { ip, port } = service;
    if (port !== null && (ip === null || isIP(ip) !== 0)) services.push({ ...service, port });
  };
  let map: string | null = null;
  for (const line of listing.split('\n')) {
    map = MAP.exec(line)?.[1] ?? (line.trim() === '}' ? null : map);
    if (map === 'service-ips') {
      for (const [, ip = '', proto = '', port = '', name = ''] of line.matchAll(ADDRESS)) {
        add({ name, ip, port: portOf(port), proto });
      }
    } else if (map === 'service-nodeports') {
      for (const [, proto = '', port = '', name = ''] of line.matchAll(NODE_PORT)) {
        add({ name, ip: null, port: portOf(port), proto });
      }
    }
  }
  return services;
}
