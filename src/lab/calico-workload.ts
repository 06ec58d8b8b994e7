import { POLICY_CHAIN } from './calico-policy.js';
import { ACCEPT_MARK, type Chain, PASS_MARK, rule } from './calico-rule.js';
import type { LabPod } from './topology.js';

/** Felix's chain for packets to a pod. */
export function toWorkload(pod: LabPod, withPolicy: boolean): Chain {
  const name = `cali-tw-${pod.hostDevice}`;
  return { name, rules: [...stateRules(name), ...verdictRules(name, 'pri', withPolicy)] };
}

/** Felix's chain for packets from a pod. */
export function fromWorkload(pod: LabPod): Chain {
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
