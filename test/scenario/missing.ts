import { withProbe } from '../../src/lab/capability.js';
import type { Encap, IptablesBackend, ProxyMode } from '../../src/lab/options.js';
import { runIn } from '../../src/lab/run-command.js';

/**
 * What this kernel lacks for scenes that other kernels have everything for; `null` for
 * nothing. It stands in the report in the place of the scenes.
 */
export function missingFor(wanted: {
  readonly encap?: Encap;
  readonly proxy?: ProxyMode;
  readonly iptables?: IptablesBackend;
}): Promise<string | null> {
  return withProbe(async (probe) => {
    const reasons = [
      wanted.encap === undefined ? null : await probe.encap(wanted.encap),
      wanted.proxy === undefined && wanted.iptables === undefined
        ? null
        : await probe.proxy(wanted.proxy ?? 'iptables', wanted.iptables ?? 'nft'),
    ];
    const lacking = reasons.filter((reason) => reason !== null);
    return lacking.length === 0 ? null : `this kernel cannot: ${lacking.join('; ')}`;
  });
}

/** The encapsulation for scenes that are to hold with any: IPIP where the kernel has it. */
export async function anyTunnel(): Promise<Encap> {
  return (await missingFor({ encap: 'ipip' })) === null ? 'ipip' : 'vxlan';
}

/** Whether a namespace's devices can be given a delay; `null` for yes. */
export async function missingNetem(netns: string): Promise<string | null> {
  try {
    await runIn(netns, 'tc', ['qdisc', 'replace', 'dev', 'lo', 'root', 'netem', 'delay', '1ms']);
    await runIn(netns, 'tc', ['qdisc', 'del', 'dev', 'lo', 'root']);
    return null;
  } catch (error) {
    return `this kernel cannot delay packets: ${error instanceof Error ? error.message : error}`;
  }
}
