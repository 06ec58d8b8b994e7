import { ACCEPT_MARK, type Chain, rule } from './calico-rule.js';
import { setName } from './calico-sets.js';
import type { Family } from './family.js';
import type { LabShape } from './options.js';
import type { LabPod } from './topology.js';

interface IpvsForwarding {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly chains: readonly Chain[];
}

export const NO_IPVS: IpvsForwarding = { input: [], output: [], chains: [] };

/**
 * ip_vs forwards from INPUT to OUTPUT, past cali-FORWARD. So Felix writes where a new
 * packet to a service came in into its mark at INPUT, and applies the policies of both
 * ends at OUTPUT (felix/rules/static.go).
 */
export function ipvsForwarding(
  pods: readonly LabPod[],
  shape: LabShape,
  family: Family,
): IpvsForwarding {
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
