/**
 * What this kernel and these privileges give a lab, found by trying it in a namespace
 * of its own that is gone afterwards.
 */
import { UnsupportedError } from '../model/errors.js';
import type { Encap, IptablesBackend, LabShape, ProxyMode } from './options.js';
import { ipBatch, LabCommandError, runCommand, runIn } from './run-command.js';

const PROBE_LINK: Readonly<Record<Encap, string | null>> = {
  ipip: 'link add hsprobe type ipip local 127.0.0.1 remote 127.0.0.2',
  vxlan: 'link add hsprobe type vxlan id 1 dstport 4789 local 127.0.0.1',
  wireguard: 'link add hsprobe type wireguard',
  none: null,
};

/** Kernel options that bring what a mode needs, for the remedy. */
const KERNEL_OPTION: Readonly<Record<Encap | ProxyMode, string>> = {
  ipip: 'CONFIG_NET_IPIP (module ipip)',
  vxlan: 'CONFIG_VXLAN (module vxlan)',
  wireguard: 'CONFIG_WIREGUARD (module wireguard)',
  none: '',
  iptables: 'CONFIG_NF_TABLES and CONFIG_NFT_COMPAT, or CONFIG_IP_NF_IPTABLES',
  ipvs: 'CONFIG_IP_VS with CONFIG_IP_VS_RR and CONFIG_IP_VS_NFCT (module ip_vs)',
  nftables: 'CONFIG_NF_TABLES with CONFIG_NFT_NAT, CONFIG_NFT_MASQ and CONFIG_NFT_NUMGEN',
};

let probes = 0;

/** A namespace to try things in; `null` reason means it worked. */
export interface Probe {
  readonly encap: (mode: Encap) => Promise<string | null>;
  readonly proxy: (mode: ProxyMode, iptables: IptablesBackend) => Promise<string | null>;
}

/**
 * Makes a scratch namespace, hands it to `use` and removes it.
 *
 * @throws UnsupportedError where namespaces cannot be made
 */
export async function withProbe<T>(use: (probe: Probe) => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) {
    throw new UnsupportedError(
      'LAB_NOT_ROOT',
      'the lab makes network namespaces, which needs root',
      'run the command as root (sudo hopscope lab …)',
    );
  }
  const netns = `hs-probe-${process.pid}-${probes++}`;
  try {
    await runCommand('ip', ['netns', 'add', netns]);
  } catch (cause) {
    if (!(cause instanceof LabCommandError)) throw cause;
    throw new UnsupportedError(
      'LAB_NO_NAMESPACES',
      `network namespaces cannot be made here: ${cause.stderr.trim()}`,
      'run where root has CAP_SYS_ADMIN and CAP_NET_ADMIN (in a container: --privileged)',
      { cause },
    );
  }
  try {
    return await use({
      encap: (mode) => tryEncap(netns, mode),
      proxy: (mode, iptables) => tryProxy(netns, mode, iptables),
    });
  } finally {
    await runCommand('ip', ['netns', 'del', netns]);
  }
}

async function tryEncap(netns: string, mode: Encap): Promise<string | null> {
  const link = PROBE_LINK[mode];
  if (link === null) return null;
  return reasonOf(async () => {
    await ipBatch(netns, [link, 'link del hsprobe']);
    if (mode === 'wireguard') await runCommand('wg', ['--version']);
  });
}

async function tryProxy(
  netns: string,
  mode: ProxyMode,
  iptables: IptablesBackend,
): Promise<string | null> {
  return reasonOf(async () => {
    // Calico's chains are iptables whatever the proxy.
    await runIn(netns, `iptables-${iptables}-restore`, ['--noflush'], { input: RULES_PROBE });
    if (mode === 'ipvs') {
      const virtual = '127.0.0.1:1';
      await runIn(netns, 'ipvsadm', ['-A', '-t', virtual, '-s', 'rr']);
      await runIn(netns, 'ipvsadm', ['-D', '-t', virtual]);
    }
    if (mode === 'nftables') await runIn(netns, 'nft', ['-f', '-'], { input: NFT_PROBE });
  });
}

/** A chain that uses each match and target the rules need, made and removed. */
const RULES_PROBE = `*nat
:HSPROBE - [0:0]
-A HSPROBE -p tcp -m comment --comment "probe" -m statistic --mode random --probability 0.5 -j DNAT --to-destination 127.0.0.1:1
-A HSPROBE -m mark --mark 0x1/0x1 -m addrtype --src-type LOCAL -j MARK --set-xmark 0x1/0x1
-F HSPROBE
-X HSPROBE
COMMIT
`;

const NFT_PROBE = `table ip hsprobe {
  chain c { numgen random mod 2 vmap { 0 : return, 1 : return } ; }
}
delete table ip hsprobe
`;

async function reasonOf(attempt: () => Promise<void>): Promise<string | null> {
  try {
    await attempt();
    return null;
  } catch (error) {
    if (error instanceof LabCommandError) return firstLine(error.stderr) || error.message;
    if (error instanceof UnsupportedError) return `${error.message} (${error.remedy})`;
    throw error;
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}

/**
 * Settles the shape: checks what was asked for, and picks the encapsulation when none
 * was: ipip where the kernel has it, else vxlan.
 *
 * @throws UnsupportedError naming what is missing
 */
export async function settleShape(
  wanted: Omit<LabShape, 'encap'> & { readonly encap: Encap | null },
  report: (line: string) => void,
): Promise<LabShape> {
  return withProbe(async (probe) => {
    const encap = wanted.encap ?? (await pickEncap(probe, report));
    const missing = await probe.encap(encap);
    if (missing !== null) throw unsupported(`encapsulation ${encap}`, encap, missing);
    const proxy = await probe.proxy(wanted.proxy, wanted.iptables);
    if (proxy !== null) throw unsupported(`proxy mode ${wanted.proxy}`, wanted.proxy, proxy);
    return { ...wanted, encap };
  });
}

async function pickEncap(probe: Probe, report: (line: string) => void): Promise<Encap> {
  const missing = await probe.encap('ipip');
  if (missing === null) return 'ipip';
  report(`this kernel has no ipip (${missing}): using vxlan`);
  return 'vxlan';
}

function unsupported(what: string, mode: Encap | ProxyMode, reason: string): UnsupportedError {
  return new UnsupportedError(
    'LAB_MODE_UNSUPPORTED',
    `this machine cannot do ${what}: ${reason}`,
    `use a kernel with ${KERNEL_OPTION[mode]}, or choose another mode`,
  );
}
