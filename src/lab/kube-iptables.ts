/**
 * The rules kube-proxy 1.28 writes in iptables mode, chain by chain and comment by
 * comment, for the services of the reference cluster (pkg/proxy/iptables/proxier.go
 * of Kubernetes). Pure: text for `iptables-restore --noflush`.
 */
import { createHash } from 'node:crypto';
import { addressOf, endpointAddress, type Family, hostPrefix, podCidr } from './family.js';
import {
  K8S_NAMESPACE,
  type LabEndpoint,
  type LabService,
  type NodeName,
  podNamed,
  SERVICES,
} from './topology.js';

export const MASQUERADE_MARK = '0x4000';
const DROP_MARK = '0x8000';

/** Sixteen letters of base32 of SHA-256, as kube-proxy names its chains. */
export function chainHash(...parts: readonly string[]): string {
  return base32(createHash('sha256').update(parts.join('')).digest()).slice(0, 16);
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648 section 6, without padding. */
function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32.charAt((held >> bits) & 31);
    }
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? text + BASE32.charAt((held << (5 - bits)) & 31) : text;
}

export function serviceName(service: LabService): string {
  return `${K8S_NAMESPACE}/${service.name}`;
}

function serviceChain(prefix: 'KUBE-SVC' | 'KUBE-SVL' | 'KUBE-EXT', service: LabService): string {
  return `${prefix}-${chainHash(serviceName(service), service.protocol)}`;
}

function endpointChain(service: LabService, endpoint: LabEndpoint, family: Family): string {
  const at = endpointAddress(endpoint, family);
  return `KUBE-SEP-${chainHash(serviceName(service), service.protocol, at)}`;
}

export function localEndpoints(service: LabService, node: NodeName): readonly LabEndpoint[] {
  return service.endpoints.filter(({ pod }) => podNamed(pod).node === node);
}

/** The whole text for one node. */
export function kubeIptables(node: NodeName, family: Family): string[] {
  return [...kubeFilter(node), ...kubeNat(node, family), ...kubeMangle()];
}

function kubeFilter(node: NodeName): string[] {
  const unreachable = SERVICES.filter(
    (service) =>
      service.externalTrafficPolicy === 'Local' && localEndpoints(service, node).length === 0,
  );
  return [
    '*filter',
    ':KUBE-NODEPORTS - [0:0]',
    ':KUBE-SERVICES - [0:0]',
    ':KUBE-EXTERNAL-SERVICES - [0:0]',
    ':KUBE-FIREWALL - [0:0]',
    ':KUBE-FORWARD - [0:0]',
    ':KUBE-PROXY-FIREWALL - [0:0]',
    `-A INPUT -m conntrack --ctstate NEW ${comment('kubernetes load balancer firewall')} -j KUBE-PROXY-FIREWALL`,
    `-A INPUT ${comment('kubernetes health check service ports')} -j KUBE-NODEPORTS`,
    `-A INPUT -m conntrack --ctstate NEW ${comment('kubernetes externally-visible service portals')} -j KUBE-EXTERNAL-SERVICES`,
    '-A INPUT -j KUBE-FIREWALL',
    `-A FORWARD -m conntrack --ctstate NEW ${comment('kubernetes load balancer firewall')} -j KUBE-PROXY-FIREWALL`,
    `-A FORWARD ${comment('kubernetes forwarding rules')} -j KUBE-FORWARD`,
    `-A FORWARD -m conntrack --ctstate NEW ${comment('kubernetes service portals')} -j KUBE-SERVICES`,
    `-A FORWARD -m conntrack --ctstate NEW ${comment('kubernetes externally-visible service portals')} -j KUBE-EXTERNAL-SERVICES`,
    `-A OUTPUT -m conntrack --ctstate NEW ${comment('kubernetes load balancer firewall')} -j KUBE-PROXY-FIREWALL`,
    `-A OUTPUT -m conntrack --ctstate NEW ${comment('kubernetes service portals')} -j KUBE-SERVICES`,
    '-A OUTPUT -j KUBE-FIREWALL',
    ...unreachable.map(
      (service) =>
        `-A KUBE-EXTERNAL-SERVICES -p ${service.protocol} ` +
        `${comment(`${serviceName(service)} has no local endpoints`)} -m addrtype --dst-type LOCAL ` +
        `-m ${service.protocol} --dport ${service.nodePort} -j DROP`,
    ),
    `-A KUBE-FIREWALL ${comment('kubernetes firewall for dropping marked packets')} ` +
      `-m mark --mark ${DROP_MARK}/${DROP_MARK} -j DROP`,
    '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
    `-A KUBE-FORWARD ${comment('kubernetes forwarding rules')} ` +
      `-m mark --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK} -j ACCEPT`,
    `-A KUBE-FORWARD ${comment('kubernetes forwarding conntrack rule')} ` +
      '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    'COMMIT',
  ];
}

function kubeNat(node: NodeName, family: Family): string[] {
  const chains = new Set<string>();
  const services: string[] = [];
  const rules: string[] = [];
  for (const service of SERVICES) {
    addService(service, node, family, { chains, services, rules });
  }
  return [
    '*nat',
    ':KUBE-SERVICES - [0:0]',
    ':KUBE-NODEPORTS - [0:0]',
    ':KUBE-POSTROUTING - [0:0]',
    ':KUBE-MARK-MASQ - [0:0]',
    ':KUBE-MARK-DROP - [0:0]',
    ...[...chains].map((chain) => `:${chain} - [0:0]`),
    `-A PREROUTING ${comment('kubernetes service portals')} -j KUBE-SERVICES`,
    `-A OUTPUT ${comment('kubernetes service portals')} -j KUBE-SERVICES`,
    `-A POSTROUTING ${comment('kubernetes postrouting rules')} -j KUBE-POSTROUTING`,
    `-A KUBE-POSTROUTING -m mark ! --mark ${MASQUERADE_MARK}/${MASQUERADE_MARK} -j RETURN`,
    // Cleared, so that a packet that comes by again (a tunnel) is not masqueraded twice.
    `-A KUBE-POSTROUTING -j MARK --set-xmark ${MASQUERADE_MARK}/0x0`,
    `-A KUBE-POSTROUTING ${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
    `-A KUBE-MARK-MASQ -j MARK --set-xmark ${MASQUERADE_MARK}/${MASQUERADE_MARK}`,
    `-A KUBE-MARK-DROP -j MARK --set-xmark ${DROP_MARK}/${DROP_MARK}`,
    ...services,
    `-A KUBE-SERVICES ${comment('kubernetes service nodeports; NOTE: this must be the last rule in this chain')} ` +
      '-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS',
    ...rules,
    'COMMIT',
  ];
}

interface NatText {
  readonly chains: Set<string>;
  readonly services: string[];
  readonly rules: string[];
}

function addService(service: LabService, node: NodeName, family: Family, out: NatText): void {
  const name = serviceName(service);
  const { protocol } = service;
  const cluster = serviceChain('KUBE-SVC', service);
  const external = serviceChain('KUBE-EXT', service);
  const to = `-d ${hostPrefix(addressOf(service.clusterIp, service.clusterIp6, family), family)}`;
  const portal =
    `${to} -p ${protocol} ${comment(`${name} cluster IP`)} ` +
    `-m ${protocol} --dport ${service.port}`;
  out.chains.add(cluster).add(external);
  out.services.push(`-A KUBE-SERVICES ${portal} -j ${cluster}`);
  out.rules.push(
    `-A KUBE-NODEPORTS -p ${protocol} ${comment(name)} -m ${protocol} --dport ${service.nodePort} -j ${external}`,
  );

  if (service.externalTrafficPolicy === 'Local') {
    const local = serviceChain('KUBE-SVL', service);
    const destinations = `${name} external destinations`;
    out.rules.push(
      `-A ${external} -s ${podCidr(family)} ${comment(`pod traffic for ${destinations}`)} -j ${cluster}`,
      `-A ${external} ${comment(`masquerade LOCAL traffic for ${destinations}`)} -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ`,
      `-A ${external} ${comment(`route LOCAL traffic for ${destinations}`)} -m addrtype --src-type LOCAL -j ${cluster}`,
    );
    const here = localEndpoints(service, node);
    if (here.length > 0) {
      out.chains.add(local);
      out.rules.push(`-A ${external} -j ${local}`, ...balance(local, service, here, family));
    }
  } else {
    out.rules.push(
      `-A ${external} ${comment(`masquerade traffic for ${name} external destinations`)} -j KUBE-MARK-MASQ`,
      `-A ${external} -j ${cluster}`,
    );
  }

  out.rules.push(
    `-A ${cluster} ! -s ${podCidr(family)} ${portal} -j KUBE-MARK-MASQ`,
    ...balance(cluster, service, service.endpoints, family),
  );
  for (const endpoint of service.endpoints) {
    const chain = endpointChain(service, endpoint, family);
    const pod = podNamed(endpoint.pod);
    const from = hostPrefix(addressOf(pod.ip, pod.ip6, family), family);
    out.chains.add(chain);
    out.rules.push(
      // A pod that reaches itself through its service must not see its own address.
      `-A ${chain} -s ${from} ${comment(name)} -j KUBE-MARK-MASQ`,
      `-A ${chain} -p ${protocol} ${comment(name)} -m ${protocol} ` +
        `-j DNAT --to-destination ${endpointAddress(endpoint, family)}`,
    );
  }
}

/** One endpoint picked: 1/n, then 1/(n-1) of the rest, and the last takes what is left. */
function balance(
  chain: string,
  service: LabService,
  endpoints: readonly LabEndpoint[],
  family: Family,
): string[] {
  return endpoints.map((endpoint, index) => {
    const left = endpoints.length - index;
    const chance =
      left > 1 ? `-m statistic --mode random --probability ${(1 / left).toFixed(11)} ` : '';
    const text = `${serviceName(service)} -> ${endpointAddress(endpoint, family)}`;
    return `-A ${chain} ${comment(text)} ${chance}-j ${endpointChain(service, endpoint, family)}`;
  });
}

/** The kubelet's hint and canary chains, by which it notices a flush. */
function kubeMangle(): string[] {
  return ['*mangle', ':KUBE-PROXY-CANARY - [0:0]', ':KUBE-KUBELET-CANARY - [0:0]', 'COMMIT'];
}

export function comment(text: string): string {
  return `-m comment --comment "${text}"`;
}
