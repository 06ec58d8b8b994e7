import { isIP } from 'node:net';
import { type CatalogService, portOf } from './catalog.js';

/**
 * Service names from the comments that kube-proxy leaves in the nat table, in the
 * text of `iptables-save -t nat` (kubernetes, pkg/proxy/iptables/proxier.go).
 */
export function servicesFromRules(save: string): CatalogService[] {
  const services = new Map<string, CatalogService>();
  for (const line of save.split('\n')) {
    const chain = /^-A (KUBE-SERVICES|KUBE-NODEPORTS) /u.exec(line)?.[1];
    if (chain === undefined || / ! /u.test(line)) {
      continue;
    }
    const comment = /--comment (?:"([^"]*)"|(\S+))/u.exec(line);
    const name = /^([^\s:/]+\/[^\s:]+)/u.exec(comment?.[1] ?? comment?.[2] ?? '')?.[1];
    const port = portOf(/--dport (\d+)/u.exec(line)?.[1] ?? '');
    const proto = / -p (\w+)/u.exec(line)?.[1];
    const ip = / -d ([0-9a-f.:]+)(?:\/(?:32|128))? /u.exec(line)?.[1] ?? null;
    if (name === undefined || proto === undefined || port === null) {
      continue;
    }
    if (chain === 'KUBE-SERVICES' && (ip === null || isIP(ip) === 0)) {
      continue;
    }
    const service: CatalogService = {
      name,
      ip: chain === 'KUBE-NODEPORTS' ? null : ip,
      port,
      proto,
    };
    services.set(`${service.ip}:${proto}:${port}`, service);
  }
  return [...services.values()];
}
