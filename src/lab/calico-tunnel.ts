import { rule } from './calico-rule.js';
import { setName } from './calico-sets.js';
import type { Family } from './family.js';
import type { Encap } from './options.js';
import { WIREGUARD_PORT } from './wireguard.js';

/** What of the tunnel a node takes in. */
export function tunnelInput(encap: Encap, family: Family): string[] {
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

/** What of the tunnel a node sends. */
export function tunnelOutput(encap: Encap, family: Family): string[] {
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
