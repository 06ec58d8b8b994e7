/**
 * What kube-proxy writes in nftables mode (pkg/proxy/nftables/proxier.go of Kubernetes):
 * its own table `kube-proxy` with verdict maps from service to chain. Pure: text for
 * `nft -f -`.
 */
import { addressOf, endpointAddress, type Family, podCidr } from './family.js';
import { chainHash, localEndpoints, MASQUERADE_MARK, serviceName } from './kube-iptables.js';
import { type LabEndpoint, type LabNode, type LabService, podNamed, SERVICES } from './topology.js';

/** Letters of the hash that begins the name of a chain. */
const HASH_LENGTH = 8;
const PRIORITY = { dstnat: -100, srcnat: 100, filter: 0 } as const;

type ChainKind = 'service' | 'external' | 'local' | 'endpoint';

function chainName(kind: ChainKind, service: LabService, endpoint = ''): string {
  const name = `${serviceName(service)}/${service.protocol}/`;
  const whole = endpoint === '' ? name : `${name}__${endpoint}`;
  return `${kind}-${chainHash(whole).slice(0, HASH_LENGTH)}-${whole}`;
}

function endpointName(service: LabService, endpoint: LabEndpoint, family: Family): string {
  const pod = podNamed(endpoint.pod);
  // A chain's name cannot hold a colon.
  const ip = addressOf(pod.ip, pod.ip6, family).replaceAll(':', '.');
  return chainName('endpoint', service, `${ip}/${endpoint.port}`);
}

export function kubeNftables(node: LabNode, family: Family): string[] {
  const ip = family === 'ipv4' ? 'ip' : 'ip6';
  const type = family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr';
  const addresses = [
    addressOf(node.lan.ip, node.lan.ip6, family),
    addressOf(node.wan.ip, node.wan.ip6, family),
  ];
  const clusterIps = SERVICES.map((service) => clusterIp(service, family));
  const unreachable = SERVICES.filter(
    (service) =>
      service.externalTrafficPolicy === 'Local' && localEndpoints(service, node.name).length === 0,
  );
  const chains = SERVICES.flatMap((service) => serviceChains(service, node, family));
  return [
    `table ${ip} kube-proxy {`,
    ...set('cluster-ips', type, clusterIps),
    ...set('nodeport-ips', type, addresses),
    ...map(
      'service-ips',
      `${type} . inet_proto . inet_service`,
      SERVICES.map(
        (service) =>
          `${clusterIp(service, family)} . ${service.protocol} . ${service.port} : ` +
          `goto ${chainName('service', service)}`,
      ),
    ),
    ...map(
      'service-nodeports',
      'inet_proto . inet_service',
      SERVICES.filter((service) => !unreachable.includes(service)).map(
        (service) =>
          `${service.protocol} . ${service.nodePort} : goto ${chainName('external', service)}`,
      ),
    ),
    ...map(
      'no-endpoint-nodeports',
      'inet_proto . inet_service',
      unreachable.map((service) => `${service.protocol} . ${service.nodePort} : drop`),
    ),
    ...chain('mark-for-masquerade', [`meta mark set meta mark or ${MASQUERADE_MARK}`]),
    ...chain('masquerading', [
      `meta mark and ${MASQUERADE_MARK} == 0 return`,
      `meta mark set meta mark xor ${MASQUERADE_MARK}`,
      'masquerade fully-random',
    ]),
    ...chains,
    ...chain('services', [
      `${ip} daddr . meta l4proto . th dport vmap @service-ips`,
      `${ip} daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports`,
    ]),
    ...chain('nodeport-endpoints-check', [
      `${ip} daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports`,
    ]),
    ...chain('cluster-ips-check', [
      `${ip} daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"`,
    ]),
    ...chain('filter-input', [
      hook('filter', 'input', PRIORITY.filter),
      'ct state new jump nodeport-endpoints-check',
    ]),
    ...chain('filter-forward', [
      hook('filter', 'forward', PRIORITY.filter),
      'ct state new jump cluster-ips-check',
    ]),
    ...chain('filter-output-post-dnat', [
      hook('filter', 'output', PRIORITY.dstnat + 10),
      'ct state new jump cluster-ips-check',
    ]),
    ...chain('nat-prerouting', [hook('nat', 'prerouting', PRIORITY.dstnat), 'jump services']),
    ...chain('nat-output', [hook('nat', 'output', PRIORITY.dstnat), 'jump services']),
    ...chain('nat-postrouting', [hook('nat', 'postrouting', PRIORITY.srcnat), 'jump masquerading']),
    '}',
  ];
}

function clusterIp(service: LabService, family: Family): string {
  return addressOf(service.clusterIp, service.clusterIp6, family);
}

/** Chains of one service, each before the chains that go to it. */
function serviceChains(service: LabService, node: LabNode, family: Family): string[] {
  const ip = family === 'ipv4' ? 'ip' : 'ip6';
  const { protocol } = service;
  const cluster = chainName('service', service);
  const lines = service.endpoints.flatMap((endpoint) => {
    const pod = podNamed(endpoint.pod);
    return chain(endpointName(service, endpoint, family), [
      `${ip} saddr ${addressOf(pod.ip, pod.ip6, family)} jump mark-for-masquerade`,
      `meta l4proto ${protocol} dnat to ${endpointAddress(endpoint, family)}`,
    ]);
  });
  lines.push(
    ...chain(cluster, [
      `${ip} daddr ${clusterIp(service, family)} ${protocol} dport ${service.port} ` +
        `${ip} saddr != ${podCidr(family)} jump mark-for-masquerade`,
      ...balance(service, service.endpoints, family),
    ]),
  );
  if (service.externalTrafficPolicy === 'Cluster') {
    lines.push(
      ...chain(chainName('external', service), ['jump mark-for-masquerade', `goto ${cluster}`]),
    );
    return lines;
  }
  const local = localEndpoints(service, node.name);
  if (local.length === 0) return lines;
  lines.push(
    ...chain(chainName('local', service), balance(service, local, family)),
    ...chain(chainName('external', service), [
      `${ip} saddr ${podCidr(family)} goto ${cluster} comment "short-circuit pod traffic"`,
      'fib saddr type local jump mark-for-masquerade comment "masquerade local traffic"',
      `fib saddr type local goto ${cluster} comment "short-circuit local traffic"`,
      `goto ${chainName('local', service)}`,
    ]),
  );
  return lines;
}

function balance(service: LabService, endpoints: readonly LabEndpoint[], family: Family): string[] {
  const verdicts = endpoints.map(
    (endpoint, index) => `${index} : goto ${endpointName(service, endpoint, family)}`,
  );
  return [`numgen random mod ${endpoints.length} vmap { ${verdicts.join(', ')} }`];
}

function set(name: string, type: string, elements: readonly string[]): string[] {
  return [`  set ${name} {`, `    type ${type}`, ...contents(elements), '  }'];
}

function map(name: string, type: string, elements: readonly string[]): string[] {
  return [`  map ${name} {`, `    type ${type} : verdict`, ...contents(elements), '  }'];
}

function contents(elements: readonly string[]): string[] {
  return elements.length === 0 ? [] : [`    elements = { ${elements.join(', ')} }`];
}

function chain(name: string, rules: readonly string[]): string[] {
  return [`  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), '  }'];
}

function hook(type: 'filter' | 'nat', at: string, priority: number): string {
  return `type ${type} hook ${at} priority ${priority};`;
}
