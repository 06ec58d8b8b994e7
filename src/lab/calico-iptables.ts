/**
 * The chains Calico's Felix writes (iptables data plane), as far as a packet of the
 * reference cluster meets them, and its ipsets. Pure: text for `iptables-restore
 * --noflush` and `ipset restore`. Felix marks each rule with a comment `cali:` and a
 * hash of the rule; so does this.
 */
import { createHash } from 'node:crypto';
import { addressOf, type Family, podCidr } from './family.js';
import { comment } from './kube-iptables.js';
import { lanIp, tunnelIp } from './node-address.js';
import type { Encap, LabShape } from './options.js';
import {
  HTTP_PORT,
  type LabNode,
  type LabPod,
  NODES,
  type NodeName,
  PODS,
  podsOf,
} from './topology.js';
import { tunnelOf, tunnelsOf } from './tunnels.js';
import { WIREGUARD_PORT } from './wireguard.js';

const ACCEPT_MARK = '0x10000';
const PASS_MARK = '0x20000';
/** Every mark bit Felix uses of its own. */
const ALL_MARKS = '0xf0000';
/** Longest chain name Felix makes (felix/rules: iptables allows 28 characters). */
const CHAIN_NAME_MAX = 28;
/** IPSET_MAXNAMELEN less the terminating zero (include/uapi/linux/netfilter/ipset/ip_set.h). */
const SET_NAME_MAX = 31;

/** The NetworkPolicy of scenario S12, by the name Calico gives a Kubernetes policy. */
export const POLICY_NAME = 'default/knp.default.nginx-from-pod1';
const POLICY_SELECTOR = "pcns.name == 'default' && (role == 'pod1')";

export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** The chain of the policy for packets towards a pod. */
export const POLICY_CHAIN = limited('cali-pi-', POLICY_NAME, CHAIN_NAME_MAX);

function limited(prefix: string, name: string, max: number): string {
  const whole = prefix + name;
  return whole.length <= max ? whole : `${prefix}_${shortHash(name)}`.slice(0, max);
}

function setName(kind: string, family: Family): string {
  return `cali${family === 'ipv4' ? '4' : '6'}0${kind}`;
}

export function selectorSet(family: Family): string {
  return (setName('s:', family) + shortHash(POLICY_SELECTOR)).slice(0, SET_NAME_MAX);
}

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

/** The whole text for one node. */
export function calicoIptables(node: NodeName, shape: LabShape, family: Family): string[] {
  return [
    ...calicoRaw(),
    ...calicoMangle(),
    ...calicoNat(shape, family),
    ...calicoFilter(node, shape, family),
  ];
}

/**
 * What changes when the policy comes into force or leaves it: the policy's chain and
 * the chains of the pods it selects.
 */
export function policyIptables(node: NodeName, on: boolean, family: Family): string[] {
  const pods = podsOf(node).filter(selectedByPolicy);
  if (pods.length === 0) return [];
  const chains = pods.map((pod) => toWorkload(pod, on));
  return [
    '*filter',
    `:${POLICY_CHAIN} - [0:0]`,
    ...chains.map(({ name }) => `:${name} - [0:0]`),
    ...(on ? policyRules(family) : []),
    ...chains.flatMap(({ rules }) => rules),
    ...(on ? [] : [`-X ${POLICY_CHAIN}`]),
    'COMMIT',
  ];
}

export function selectedByPolicy(pod: LabPod): boolean {
  return pod.labels['app'] === 'nginx';
}

function rule(chain: string, match: string, said?: string): string {
  const hash = shortHash(`${chain} ${match}`).slice(0, 16);
  const words = said === undefined ? '' : ` ${comment(said)}`;
  return `-A ${chain} ${comment(`cali:${hash}`)}${words} ${match}`;
}

/** Felix puts itself before what others wrote. */
function first(chain: string, match: string): string {
  return rule(chain, match).replace(/^-A (\S+)/, '-I $1 1');
}

function calicoRaw(): string[] {
  return [
    '*raw',
    ':cali-PREROUTING - [0:0]',
    ':cali-OUTPUT - [0:0]',
    ':cali-from-host-endpoint - [0:0]',
    ':cali-to-host-endpoint - [0:0]',
    first('PREROUTING', '-j cali-PREROUTING'),
    first('OUTPUT', '-j cali-OUTPUT'),
    rule('cali-PREROUTING', `-j MARK --set-xmark 0x0/${ALL_MARKS}`),
    rule('cali-PREROUTING', '-i cali+ -j MARK --set-xmark 0x40000/0x40000'),
    rule('cali-PREROUTING', '-m mark --mark 0x0/0x40000 -j cali-from-host-endpoint'),
    rule('cali-PREROUTING', `-m mark --mark ${ACCEPT_MARK}/${ACCEPT_MARK} -j ACCEPT`),
    rule('cali-OUTPUT', `-j MARK --set-xmark 0x0/${ALL_MARKS}`),
    rule('cali-OUTPUT', '-j cali-to-host-endpoint'),
    rule('cali-OUTPUT', `-m mark --mark ${ACCEPT_MARK}/${ACCEPT_MARK} -j ACCEPT`),
    'COMMIT',
  ];
}

function calicoMangle(): string[] {
  return [
    '*mangle',
    ':cali-PREROUTING - [0:0]',
    ':cali-POSTROUTING - [0:0]',
    ':cali-from-host-endpoint - [0:0]',
    ':cali-to-host-endpoint - [0:0]',
    first('PREROUTING', '-j cali-PREROUTING'),
    first('POSTROUTING', '-j cali-POSTROUTING'),
    rule('cali-PREROUTING', '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'),
    rule('cali-PREROUTING', `-m mark --mark ${ACCEPT_MARK}/${ACCEPT_MARK} -j ACCEPT`),
    rule('cali-PREROUTING', '-j cali-from-host-endpoint'),
    rule(
      'cali-PREROUTING',
      `-m mark --mark ${ACCEPT_MARK}/${ACCEPT_MARK} -j ACCEPT`,
      'Host endpoint policy accepted packet.',
    ),
    rule('cali-POSTROUTING', `-m mark --mark ${ACCEPT_MARK}/${ACCEPT_MARK} -j RETURN`),
    rule('cali-POSTROUTING', `-j MARK --set-xmark 0x0/${ALL_MARKS}`),
    rule('cali-POSTROUTING', '-m conntrack --ctstate DNAT -j cali-to-host-endpoint'),
    rule(
      'cali-POSTROUTING',
      `-m mark --mark ${ACCEPT_MARK}/${ACCEPT_MARK} -j RETURN`,
      'Host endpoint policy accepted packet.',
    ),
    'COMMIT',
  ];
}

function calicoNat(shape: LabShape, family: Family): string[] {
  const tunnel = tunnelOf(shape, family);
  return [
    '*nat',
    ':cali-PREROUTING - [0:0]',
    ':cali-OUTPUT - [0:0]',
    ':cali-POSTROUTING - [0:0]',
    ':cali-fip-dnat - [0:0]',
    ':cali-fip-snat - [0:0]',
    ':cali-nat-outgoing - [0:0]',
    first('PREROUTING', '-j cali-PREROUTING'),
    first('OUTPUT', '-j cali-OUTPUT'),
    first('POSTROUTING', '-j cali-POSTROUTING'),
    rule('cali-PREROUTING', '-j cali-fip-dnat'),
    rule('cali-OUTPUT', '-j cali-fip-dnat'),
    rule('cali-POSTROUTING', '-j cali-fip-snat'),
    rule('cali-POSTROUTING', '-j cali-nat-outgoing'),
    // A node's process that chose another of the node's addresses as source: replies to that
    // one would not come back through the tunnel.
    ...(tunnel === null
      ? []
      : [
          rule(
            'cali-POSTROUTING',
            `-o ${tunnel.device} -m addrtype ! --src-type LOCAL --limit-iface-out ` +
              '-m addrtype --src-type LOCAL -j MASQUERADE',
          ),
        ]),
    rule(
      'cali-nat-outgoing',
      `-m set --match-set ${setName('masq-ipam-pools', family)} src ` +
        `-m set ! --match-set ${setName('all-ipam-pools', family)} dst -j MASQUERADE`,
    ),
    'COMMIT',
  ];
}

function calicoFilter(node: NodeName, shape: LabShape, family: Family): string[] {
  const pods = podsOf(node);
  const workloads = pods.flatMap((pod) => [
    toWorkload(pod, shape.policy && selectedByPolicy(pod)),
    fromWorkload(pod),
  ]);
  const withPolicy = shape.policy && pods.some(selectedByPolicy);
  const ipvs = shape.proxy === 'ipvs' ? ipvsForwarding(pods, shape, family) : NO_IPVS;
  const accepted = `-m mark --mark ${ACCEPT_MARK}/${ACCEPT_MARK}`;
  return [
    '*filter',
    ':cali-INPUT - [0:0]',
    ':cali-FORWARD - [0:0]',
    ':cali-OUTPUT - [0:0]',
    ':cali-cidr-block - [0:0]',
    ':cali-from-hep-forward - [0:0]',
    ':cali-to-hep-forward - [0:0]',
    ':cali-from-host-endpoint - [0:0]',
    ':cali-to-host-endpoint - [0:0]',
    ':cali-wl-to-host - [0:0]',
    ':cali-from-wl-dispatch - [0:0]',
    ':cali-to-wl-dispatch - [0:0]',
    ':cali-pri-kns.default - [0:0]',
    ':cali-pro-kns.default - [0:0]',
    ':cali-pri-ksa.default.default - [0:0]',
    ':cali-pro-ksa.default.default - [0:0]',
    ...workloads.map(({ name }) => `:${name} - [0:0]`),
    ...ipvs.chains.map(({ name }) => `:${name} - [0:0]`),
    ...(withPolicy ? [`:${POLICY_CHAIN} - [0:0]`] : []),
    first('INPUT', '-j cali-INPUT'),
    first('FORWARD', '-j cali-FORWARD'),
    first('OUTPUT', '-j cali-OUTPUT'),
    rule('FORWARD', `${accepted} -j ACCEPT`, 'Policy explicitly accepted packet.'),
    rule('FORWARD', `-j MARK --set-xmark ${ACCEPT_MARK}/${ACCEPT_MARK}`),

    rule('cali-FORWARD', '-j MARK --set-xmark 0x0/0xe0000'),
    rule('cali-FORWARD', `-m mark --mark 0x0/${ACCEPT_MARK} -j cali-from-hep-forward`),
    rule('cali-FORWARD', '-i cali+ -j cali-from-wl-dispatch'),
    rule('cali-FORWARD', '-o cali+ -j cali-to-wl-dispatch'),
    rule('cali-FORWARD', '-j cali-to-hep-forward'),
    rule('cali-FORWARD', '-j cali-cidr-block'),

    ...tunnelInput(shape.encap, family),
    ...ipvs.input,
    rule('cali-INPUT', '-i cali+ -g cali-wl-to-host'),
    rule('cali-INPUT', `${accepted} -j ACCEPT`),
    rule('cali-INPUT', `-j MARK --set-xmark 0x0/${ALL_MARKS}`),
    rule('cali-INPUT', '-j cali-from-host-endpoint'),
    rule('cali-INPUT', `${accepted} -j ACCEPT`, 'Host endpoint policy accepted packet.'),

    rule('cali-OUTPUT', `${accepted} -j ACCEPT`),
    ...ipvs.output,
    rule('cali-OUTPUT', '-o cali+ -j RETURN'),
    ...tunnelOutput(shape.encap, family),
    rule('cali-OUTPUT', `-j MARK --set-xmark 0x0/${ALL_MARKS}`),
    rule('cali-OUTPUT', '-m conntrack ! --ctstate DNAT -j cali-to-host-endpoint'),
    rule('cali-OUTPUT', `${accepted} -j ACCEPT`, 'Host endpoint policy accepted packet.'),

    rule('cali-wl-to-host', '-j cali-from-wl-dispatch'),
    rule('cali-wl-to-host', '-j ACCEPT', 'Configured DefaultEndpointToHostAction'),

    ...pods.flatMap((pod) => [
      rule('cali-from-wl-dispatch', `-i ${pod.hostDevice} -g cali-fw-${pod.hostDevice}`),
      rule('cali-to-wl-dispatch', `-o ${pod.hostDevice} -g cali-tw-${pod.hostDevice}`),
    ]),
    rule('cali-from-wl-dispatch', '-j DROP', 'Unknown interface'),
    rule('cali-to-wl-dispatch', '-j DROP', 'Unknown interface'),

    ...profileRules('cali-pri-kns.default', 'Profile kns.default ingress'),
    ...profileRules('cali-pro-kns.default', 'Profile kns.default egress'),
    ...(withPolicy ? policyRules(family) : []),
    ...workloads.flatMap(({ rules }) => rules),
    ...ipvs.chains.flatMap(({ rules }) => rules),
    'COMMIT',
  ];
}

function tunnelInput(encap: Encap, family: Family): string[] {
  const hosts = setName('all-hosts-net', family);
  if (encap === 'ipip' && family === 'ipv4') {
    return [
      rule(
        'cali-INPUT',
        `-p 4 -m set --match-set ${hosts} src -m addrtype --dst-type LOCAL -j ACCEPT`,
        'Allow IPIP packets from Calico hosts',
      ),
      rule('cali-INPUT', '-p 4 -j DROP', 'Drop IPIP packets from non-Calico hosts'),
    ];
  }
  if (encap === 'vxlan') {
    return [
      rule(
        'cali-INPUT',
        `-p udp -m multiport --dports 4789 -m set --match-set ${hosts} src ` +
          '-m addrtype --dst-type LOCAL -j ACCEPT',
        'Allow VXLAN packets from allowed hosts',
      ),
      rule(
        'cali-INPUT',
        '-p udp -m multiport --dports 4789 -m addrtype --dst-type LOCAL -j DROP',
        'Drop VXLAN packets from non-allowed hosts',
      ),
    ];
  }
  if (encap === 'wireguard') {
    return [
      rule(
        'cali-INPUT',
        `-p udp -m udp --dport ${WIREGUARD_PORT[family]} -m set --match-set ${hosts} src -j ACCEPT`,
        'Allow incoming Wireguard packets',
      ),
    ];
  }
  return [];
}

function tunnelOutput(encap: Encap, family: Family): string[] {
  const hosts = setName('all-hosts-net', family);
  const toHosts = `-m set --match-set ${hosts} dst -m addrtype --src-type LOCAL -j ACCEPT`;
  if (encap === 'ipip' && family === 'ipv4') {
    return [rule('cali-OUTPUT', `-p 4 ${toHosts}`, 'Allow IPIP packets to other Calico hosts')];
  }
  if (encap === 'vxlan') {
    return [
      rule(
        'cali-OUTPUT',
        `-p udp -m multiport --dports 4789 ${toHosts}`,
        'Allow VXLAN packets to other allowed hosts',
      ),
    ];
  }
  return [];
}

interface Chain {
  readonly name: string;
  readonly rules: readonly string[];
}

interface IpvsForwarding {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly chains: readonly Chain[];
}

const NO_IPVS: IpvsForwarding = { input: [], output: [], chains: [] };

/**
 * ip_vs forwards from INPUT to OUTPUT, past cali-FORWARD. So Felix writes where a new
 * packet to a service came in into its mark at INPUT, and applies the policies of both
 * ends at OUTPUT (felix/rules/static.go).
 */
function ipvsForwarding(pods: readonly LabPod[], shape: LabShape, family: Family): IpvsForwarding {
  // WireGuard's mark takes the lowest of these bits.
  const [mask, unit] =
    shape.encap === 'wireguard' ? ['0xffe00000', 0x200000] : ['0xfff00000', 0x100000];
  const markOf = (index: number): string => `0x${(unit * (index + 2)).toString(16)}/${mask}`;
  const outside = `0x${unit.toString(16)}/${mask}`;
  const here = setName('this-host', family);
  const check = 'cali-forward-check';
  const set = 'cali-set-endpoint-mark';
  const forward = 'cali-forward-endpoint-mark';
  const from = 'cali-from-endpoint-mark';
  const nodePort = (protocol: string): string =>
    rule(
      check,
      `-p ${protocol} -m multiport --dports 30000:32767 -m set --match-set ${here} dst -g ${set}`,
      'To kubernetes NodePort service',
    );
  return {
    input: [
      rule('cali-INPUT', `-j ${check}`),
      rule('cali-INPUT', `-m mark ! --mark 0x0/${mask} -j RETURN`),
    ],
    output: [rule('cali-OUTPUT', `-m mark ! --mark 0x0/${mask} -g ${forward}`)],
    chains: [
      {
        name: check,
        rules: [
          rule(check, '-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN'),
          nodePort('tcp'),
          nodePort('udp'),
          rule(check, `-m set ! --match-set ${here} dst -j ${set}`, 'To kubernetes service'),
        ],
      },
      {
        name: set,
        rules: [
          ...pods.map((pod) => rule(set, `-i ${pod.hostDevice} -g cali-sm-${pod.hostDevice}`)),
          rule(set, '-i cali+ -j DROP', 'Unknown endpoint'),
          rule(set, `-j MARK --set-xmark ${outside}`, 'Non-Cali endpoint mark'),
        ],
      },
      ...pods.map((pod, index) => {
        const name = `cali-sm-${pod.hostDevice}`;
        return { name, rules: [rule(name, `-j MARK --set-xmark ${markOf(index)}`)] };
      }),
      {
        name: forward,
        rules: [
          rule(forward, `-m mark ! --mark ${outside} -j ${from}`),
          rule(forward, '-o cali+ -j cali-to-wl-dispatch'),
          rule(forward, '-j cali-to-hep-forward'),
          rule(forward, `-j MARK --set-xmark 0x0/${mask}`),
          rule(
            forward,
            `-m mark --mark ${ACCEPT_MARK}/${ACCEPT_MARK} -j ACCEPT`,
            'Policy explicitly accepted packet.',
          ),
        ],
      },
      {
        name: from,
        rules: [
          ...pods.map((pod, index) =>
            rule(from, `-m mark --mark ${markOf(index)} -g cali-fw-${pod.hostDevice}`),
          ),
          rule(from, '-j DROP', 'Unknown interface'),
        ],
      },
    ],
  };
}

function toWorkload(pod: LabPod, withPolicy: boolean): Chain {
  const name = `cali-tw-${pod.hostDevice}`;
  return { name, rules: [...stateRules(name), ...verdictRules(name, 'pri', withPolicy)] };
}

function fromWorkload(pod: LabPod): Chain {
  const name = `cali-fw-${pod.hostDevice}`;
  return {
    name,
    rules: [
      ...stateRules(name),
      rule(
        name,
        '-p udp -m multiport --dports 4789 -j DROP',
        'Drop VXLAN encapped packets originating in workloads',
      ),
      rule(name, '-p 4 -j DROP', 'Drop IPinIP encapped packets originating in workloads'),
      ...verdictRules(name, 'pro', false),
    ],
  };
}

function stateRules(chain: string): string[] {
  return [
    rule(chain, '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'),
    rule(chain, '-m conntrack --ctstate INVALID -j DROP'),
    rule(chain, `-j MARK --set-xmark 0x0/${ACCEPT_MARK}`),
  ];
}

function verdictRules(chain: string, profile: 'pri' | 'pro', withPolicy: boolean): string[] {
  const accepted = `-m mark --mark ${ACCEPT_MARK}/${ACCEPT_MARK}`;
  const undecided = `-m mark --mark 0x0/${PASS_MARK}`;
  const policies = withPolicy
    ? [
        rule(chain, `-j MARK --set-xmark 0x0/${PASS_MARK}`, 'Start of policies'),
        rule(chain, `${undecided} -j ${POLICY_CHAIN}`),
        rule(chain, `${accepted} -j RETURN`, 'Return if policy accepted'),
        rule(chain, `${undecided} -j DROP`, 'Drop if no policies passed packet'),
      ]
    : [];
  return [
    ...policies,
    rule(chain, `-j cali-${profile}-kns.default`),
    rule(chain, `${accepted} -j RETURN`, 'Return if profile accepted'),
    rule(chain, `-j cali-${profile}-ksa.default.default`),
    rule(chain, `${accepted} -j RETURN`, 'Return if profile accepted'),
    rule(chain, '-j DROP', 'Drop if no profiles matched'),
  ];
}

function profileRules(chain: string, said: string): string[] {
  return [
    rule(chain, `-j MARK --set-xmark ${ACCEPT_MARK}/${ACCEPT_MARK}`, said),
    rule(chain, `-m mark --mark ${ACCEPT_MARK}/${ACCEPT_MARK} -j RETURN`),
  ];
}

function policyRules(family: Family): string[] {
  return [
    rule(
      POLICY_CHAIN,
      `-p tcp -m set --match-set ${selectorSet(family)} src -m multiport --dports ${HTTP_PORT} ` +
        `-j MARK --set-xmark ${ACCEPT_MARK}/${ACCEPT_MARK}`,
      `Policy ${POLICY_NAME} ingress`,
    ),
    rule(POLICY_CHAIN, `-m mark --mark ${ACCEPT_MARK}/${ACCEPT_MARK} -j RETURN`),
  ];
}
