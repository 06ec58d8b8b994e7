/**
 * What kube-proxy sets up in IPVS mode (pkg/proxy/ipvs/proxier.go of Kubernetes): the
 * service addresses on `kube-ipvs0`, virtual servers, ipsets, and the few rules that mark
 * what needs masquerading. Pure.
 */
import { addressOf, endpointAddress, type Family, families, podCidr } from './family.js';
import { comment, localEndpoints, MASQUERADE_MARK } from './kube-iptables.js';
import { type LabNode, podNamed, podsOf, SERVICES } from './topology.js';

const IPVS_DEVICE = 'kube-ipvs0';

/** Commands of `ip`: the dummy device that makes the service addresses local. */
export function ipvsDevice(dualStack: boolean): string[] {
  return [
    `link add ${IPVS_DEVICE} type dummy`,
    ...SERVICES.flatMap((service) => [
      `addr add ${service.clusterIp}/32 dev ${IPVS_DEVICE}`,
      ...(dualStack ? [`addr add ${service.clusterIp6}/128 dev ${IPVS_DEVICE} nodad`] : []),
    ]),
  ];
}

/** Present once ip_vs is loaded. */
export const IPVS_SYSCTLS: readonly string[] = [
  // Without it what ip_vs has rewritten is unknown to conntrack and cannot be masqueraded.
  'net/ipv4/vs/conntrack=1',
  'net/ipv4/vs/expire_nodest_conn=1',
  'net/ipv4/vs/expire_quiescent_template=1',
];

/** Text for `ipvsadm --restore`. */
export function ipvsServers(node: LabNode, tunnelIps: readonly string[], dual: boolean): string[] {
  const lines: string[] = [];
  for (const family of families(dual)) {
    const own = [
      addressOf(node.lan.ip, node.lan.ip6, family),
      addressOf(node.wan.ip, node.wan.ip6, family),
      ...tunnelIps.filter((ip) => ip.includes(':') === (family === 'ipv6')),
    ];
    for (const service of SERVICES) {
      const kind = service.protocol === 'tcp' ? '-t' : '-u';
      const add = (ip: string, port: number, local: boolean): void => {
        const at = `${kind} ${family === 'ipv6' ? `[${ip}]` : ip}:${port}`;
        lines.push(`-A ${at} -s rr`);
        for (const endpoint of local ? localEndpoints(service, node.name) : service.endpoints) {
          lines.push(`-a ${at} -r ${endpointAddress(endpoint, family)} -m -w 1`);
        }
      };
      add(addressOf(service.clusterIp, service.clusterIp6, family), service.port, false);
      for (const ip of own) add(ip, service.nodePort, service.externalTrafficPolicy === 'Local');
    }
  }
  return lines;
}

function setName(kind: string, family: Family): string {
  return `KUBE-${family === 'ipv6' ? '6-' : ''}${kind}`;
}

/** Text for `ipset restore`. */
export function ipvsSets(node: LabNode, family: Family): string[] {
  const inet = family === 'ipv6' ? 'inet6' : 'inet';
  const cluster = setName('CLUSTER-IP', family);
  const ports = setName('NODE-PORT-TCP', family);
  const localPorts = setName('NODE-PORT-LOCAL-TCP', family);
  const loop = setName('LOOP-BACK', family);
  const ips = setName('IPVS-IPS', family);
  const lines = [
    `create ${cluster} hash:ip,port family ${inet} hashsize 1024 maxelem 65536`,
    `create ${ports} bitmap:port range 0-65535`,
    `create ${localPorts} bitmap:port range 0-65535`,
    `create ${loop} hash:ip,port,ip family ${inet} hashsize 1024 maxelem 65536`,
    `create ${ips} hash:ip family ${inet} hashsize 1024 maxelem 65536`,
  ];
  for (const service of SERVICES) {
    const ip = addressOf(service.clusterIp, service.clusterIp6, family);
    lines.push(`add ${cluster} ${ip},${service.protocol}:${service.port}`, `add ${ips} ${ip}`);
    lines.push(`add ${ports} ${service.nodePort}`);
    if (service.externalTrafficPolicy === 'Local') {
      lines.push(`add ${localPorts} ${service.nodePort}`);
    }
  }
  const here = new Set(podsOf(node.name).map((pod) => pod.name));
  const loops = new Set<string>();
  for (const { endpoints, protocol } of SERVICES) {
    for (const endpoint of endpoints) {
      if (!here.has(endpoint.pod)) continue;
      const pod = podNamed(endpoint.pod);
      const ip = addressOf(pod.ip, pod.ip6, family);
      loops.add(`add ${loop} ${ip},${protocol}:${endpoint.port},${ip}`);
    }
  }
  return [...lines, ...loops];
}

/** Text for `iptables-restore --noflush`. */
export function ipvsIptables(family: Family): string[] {
  const set = (kind: string): string => `-m set --match-set ${setName(kind, family)}`;
  const mark = `${MASQUERADE_MARK}/${MASQUERADE_MARK}`;
  const loopback = family === 'ipv6' ? '::1/128' : '127.0.0.0/8';
  return [
    '*filter',
    ':KUBE-FORWARD - [0:0]',
    ':KUBE-NODE-PORT - [0:0]',
    ':KUBE-PROXY-FIREWALL - [0:0]',
    ':KUBE-IPVS-FILTER - [0:0]',
    `-A INPUT ${comment('kubernetes ipvs access filter')} -j KUBE-IPVS-FILTER`,
    `-A INPUT ${comment('kube-proxy firewall rules')} -j KUBE-PROXY-FIREWALL`,
    `-A INPUT ${comment('kubernetes health check rules')} -j KUBE-NODE-PORT`,
    `-A FORWARD ${comment('kube-proxy firewall rules')} -j KUBE-PROXY-FIREWALL`,
    `-A FORWARD ${comment('kubernetes forwarding rules')} -j KUBE-FORWARD`,
    `-A KUBE-FORWARD ${comment('kubernetes forwarding rules')} -m mark --mark ${mark} -j ACCEPT`,
    `-A KUBE-FORWARD ${comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    `-A KUBE-IPVS-FILTER ${set('CLUSTER-IP')} dst,dst -j RETURN`,
    `-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW ${set('IPVS-IPS')} dst -j REJECT --reject-with icmp${family === 'ipv6' ? '6' : ''}-port-unreachable`,
    'COMMIT',
    '*nat',
    ':KUBE-SERVICES - [0:0]',
    ':KUBE-POSTROUTING - [0:0]',
    ':KUBE-NODE-PORT - [0:0]',
    ':KUBE-LOAD-BALANCER - [0:0]',
    ':KUBE-MARK-MASQ - [0:0]',
    `-A PREROUTING ${comment('kubernetes service portals')} -j KUBE-SERVICES`,
    `-A OUTPUT ${comment('kubernetes service portals')} -j KUBE-SERVICES`,
    `-A POSTROUTING ${comment('kubernetes postrouting rules')} -j KUBE-POSTROUTING`,
    `-A KUBE-SERVICES -s ${loopback} -j RETURN`,
    `-A KUBE-SERVICES ! -s ${podCidr(family)} ` +
      `${comment('Kubernetes service cluster ip + port for masquerade purpose')} ` +
      `${set('CLUSTER-IP')} dst,dst -j KUBE-MARK-MASQ`,
    '-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT',
    `-A KUBE-SERVICES ${set('CLUSTER-IP')} dst,dst -j ACCEPT`,
    `-A KUBE-NODE-PORT -p tcp ` +
      `${comment('Kubernetes nodeport TCP port with externalTrafficPolicy=local')} ` +
      `${set('NODE-PORT-LOCAL-TCP')} dst -j RETURN`,
    `-A KUBE-NODE-PORT -p tcp ${comment('Kubernetes nodeport TCP port for masquerade purpose')} ` +
      `${set('NODE-PORT-TCP')} dst -j KUBE-MARK-MASQ`,
    `-A KUBE-MARK-MASQ -j MARK --set-xmark ${mark}`,
    `-A KUBE-POSTROUTING ` +
      `${comment('Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose')} ` +
      `${set('LOOP-BACK')} dst,dst,src -j MASQUERADE`,
    `-A KUBE-POSTROUTING -m mark ! --mark ${mark} -j RETURN`,
    `-A KUBE-POSTROUTING -j MARK --set-xmark ${MASQUERADE_MARK}/0x0`,
    `-A KUBE-POSTROUTING ${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
    'COMMIT',
  ];
}
