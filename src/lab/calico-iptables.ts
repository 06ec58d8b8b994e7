/**
 * The chains Calico's Felix writes (iptables data plane), as far as a packet of the
 * reference cluster meets them. Pure: text for `iptables-restore --noflush`.
 */
import { ipvsForwarding, NO_IPVS } from './calico-ipvs.js';
import { POLICY_CHAIN, policyRules, selectedByPolicy } from './calico-policy.js';
import { ACCEPT_MARK, ALL_MARKS, first, rule } from './calico-rule.js';
import { setName } from './calico-sets.js';
import { tunnelInput, tunnelOutput } from './calico-tunnel.js';
import { fromWorkload, toWorkload } from './calico-workload.js';
import type { Family } from './family.js';
import type { LabShape } from './options.js';
import { type NodeName, podsOf } from './topology.js';
import { tunnelOf } from './tunnels.js';

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

function profileRules(chain: string, said: string): string[] {
  return [
    rule(chain, `-j MARK --set-xmark ${ACCEPT_MARK}/${ACCEPT_MARK}`, said),
    rule(chain, `-m mark --mark ${ACCEPT_MARK}/${ACCEPT_MARK} -j RETURN`),
  ];
}
