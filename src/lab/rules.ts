import { calicoIptables } from './calico-iptables.js';
import { calicoSets } from './calico-sets.js';
import { type Family, families } from './family.js';
import { kubeIptables } from './kube-iptables.js';
import { IPVS_SYSCTLS, ipvsDevice, ipvsIptables, ipvsServers, ipvsSets } from './kube-ipvs.js';
import { kubeNftables } from './kube-nftables.js';
import { tunnelIp } from './node-address.js';
import type { IptablesBackend, LabShape } from './options.js';
import { ipBatch, type RunOptions, runIn, setSysctls } from './run-command.js';
import type { LabNode, NodeName } from './topology.js';
import { tunnelsOf } from './tunnels.js';

/** Writes a node's rules: the service proxy's, and Calico's sets and chains. */
export async function installRules(
  node: LabNode,
  shape: LabShape,
  options: RunOptions,
): Promise<void> {
  const both = families(shape.dualStack);
  const proxySets = shape.proxy === 'ipvs' ? both.flatMap((family) => ipvsSets(node, family)) : [];
  const sets = [...proxySets, ...both.flatMap((family) => calicoSets(node, shape, family))];
  await runIn(node.name, 'ipset', ['restore'], { ...options, input: text(sets) });

  if (shape.proxy === 'ipvs') await installIpvs(node, shape, options);
  if (shape.proxy === 'nftables') {
    const lines = both.flatMap((family) => kubeNftables(node, family));
    await runIn(node.name, 'nft', ['-f', '-'], { ...options, input: text(lines) });
  }
  for (const family of both) {
    // As on a real node: the proxy appends its jumps, then Calico inserts its own first.
    const lines = [
      ...proxyIptables(node.name, shape, family),
      ...calicoIptables(node.name, shape, family),
    ];
    await restoreRules(node.name, shape.iptables, family, lines, options);
  }
}

function proxyIptables(node: NodeName, shape: LabShape, family: Family): string[] {
  switch (shape.proxy) {
    case 'iptables':
      return kubeIptables(node, family);
    case 'ipvs':
      return ipvsIptables(family);
    case 'nftables':
      return [];
  }
}

async function installIpvs(node: LabNode, shape: LabShape, options: RunOptions): Promise<void> {
  const tunnel = tunnelsOf(shape).map(({ family }) => tunnelIp(node, family));
  const servers = ipvsServers(node, tunnel, shape.dualStack);
  await ipBatch(node.name, ipvsDevice(shape.dualStack), options);
  await runIn(node.name, 'ipvsadm', ['--restore'], { ...options, input: text(servers) });
  await setSysctls(node.name, IPVS_SYSCTLS, options);
}

/** Adds rules, flushing only the chains that `lines` declare. */
export async function restoreRules(
  node: NodeName,
  backend: IptablesBackend,
  family: Family,
  lines: readonly string[],
  options: RunOptions,
): Promise<void> {
  if (lines.length === 0) return;
  const program = `${family === 'ipv4' ? 'iptables' : 'ip6tables'}-${backend}-restore`;
  await runIn(node, program, ['--noflush'], { ...options, input: text(lines) });
}

function text(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
