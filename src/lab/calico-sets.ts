import { shortHash } from './calico-rule.js';
import { addressOf, type Family, podCidr } from './family.js';
import { lanIp, tunnelIp } from './node-address.js';
import type { LabShape } from './options.js';
import { type LabNode, NODES, PODS } from './topology.js';
import { tunnelsOf } from './tunnels.js';

/** IPSET_MAXNAMELEN less the terminating zero (include/uapi/linux/netfilter/ipset/ip_set.h). */
const SET_NAME_MAX = 31;

/** Whom the policy lets in, as Calico writes the selector of a NetworkPolicy. */
const POLICY_SELECTOR = "pcns.name == 'default' && (role == 'pod1')";

/** The name of one of Felix's ipsets. */
export function setName(kind: string, family: Family): string {
  return `cali${family === 'ipv4' ? '4' : '6'}0${kind}`;
}

/** The set of the pods that the policy lets in. */
export function selectorSet(family: Family): string {
  return (setName('s:', family) + shortHash(POLICY_SELECTOR)).slice(0, SET_NAME_MAX);
}

/** Felix's ipsets on one node: lines for `ipset restore`. */
export function calicoSets(node: LabNode, shape: LabShape, family: Family): string[] {
  const inet = family === 'ipv4' ? 'inet' : 'inet6';
  const pods = PODS.filter((pod) => pod.labels['role'] === 'pod1');
  const hosts = setName('all-hosts-net', family);
  const pools = setName('all-ipam-pools', family);
  const masquerade = setName('masq-ipam-pools', family);
  const selector = selectorSet(family);
  const net = `hash:net family ${inet} maxelem 1048576`;
  const here = setName('this-host', family);
  const ownIps = [
    lanIp(node, family),
    addressOf(node.wan.ip, node.wan.ip6, family),
    ...tunnelsOf(shape).flatMap((tunnel) =>
      tunnel.family === family ? [tunnelIp(node, family)] : [],
    ),
  ];
  return [
    `create ${here} hash:ip family ${inet} maxelem 1048576`,
    ...ownIps.map((ip) => `add ${here} ${ip}`),
    `create ${hosts} ${net}`,
    ...NODES.map((host) => `add ${hosts} ${lanIp(host, family)}`),
    `create ${pools} ${net}`,
    `add ${pools} ${podCidr(family)}`,
    `create ${masquerade} ${net}`,
    `add ${masquerade} ${podCidr(family)}`,
    `create ${selector} ${net}`,
    ...pods.map((pod) => `add ${selector} ${addressOf(pod.ip, pod.ip6, family)}`),
  ];
}
