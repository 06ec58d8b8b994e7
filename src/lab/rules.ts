import { calicoIptables, calicoSets } from './calico-iptables.js';
import { families, type Family } from './family.js';
import { kubeIptables } from './kube-iptables.js';
import type { IptablesBackend, LabShape } from './options.js';
import { type RunOptions, runIn } from './run-command.js';
import type { LabNode, NodeName } from './topology.js';

/** Writes a node's rules: Calico's sets and chains, and the service proxy's. */
export async function installRules(
  node: LabNode,
  shape: LabShape,
  options: RunOptions,
): Promise<void> {
  const sets = families(shape.dualStack).flatMap((family) => calicoSets(family));
  await restoreSets(node.name, sets, options);
  for (const family of families(shape.dualStack)) {
    // As on a real node: the proxy appends its jumps, then Calico inserts its own first.
    const text = [
      ...kubeIptables(node.name, family),
      ...calicoIptables(node.name, shape, family),
    ];
    await restoreRules(node.name, shape.iptables, family, text, options);
  }
}

export async function restoreSets(
  node: NodeName,
  lines: readonly string[],
  options: RunOptions,
): Promise<void> {
  await runIn(node, 'ipset', ['restore'], { ...options, input: `${lines.join('\n')}\n` });
}

export async function restoreRules(
  node: NodeName,
  backend: IptablesBackend,
  family: Family,
  lines: readonly string[],
  options: RunOptions,
): Promise<void> {
  if (lines.length === 0) return;
  const program = `${family === 'ipv4' ? 'iptables' : 'ip6tables'}-${backend}-restore`;
  await runIn(node, program, ['--noflush'], { ...options, input: `${lines.join('\n')}\n` });
}
