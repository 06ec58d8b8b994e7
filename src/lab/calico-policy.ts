import { ACCEPT_MARK, rule, shortHash } from './calico-rule.js';
import { selectorSet } from './calico-sets.js';
import type { Family } from './family.js';
import { HTTP_PORT, type LabPod } from './topology.js';

/** Longest chain name Felix makes (felix/rules: iptables allows 28 characters). */
const CHAIN_NAME_MAX = 28;

/** The NetworkPolicy of scenario S12, by the name Calico gives a Kubernetes policy. */
const POLICY_NAME = 'default/knp.default.nginx-from-pod1';

/** The chain of the policy for packets towards a pod. */
export const POLICY_CHAIN = limited('cali-pi-', POLICY_NAME, CHAIN_NAME_MAX);

function limited(prefix: string, name: string, max: number): string {
  const whole = prefix + name;
  return whole.length <= max ? whole : `${prefix}_${shortHash(name)}`.slice(0, max);
}

/** Whether the policy is of the pod's incoming packets. */
export function selectedByPolicy(pod: LabPod): boolean {
  return pod.labels['app'] === 'nginx';
}

/** The rules of the policy's chain. */
export function policyRules(family: Family): string[] {
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
