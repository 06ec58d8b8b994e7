import { settleShape } from './capability.js';
import { removeLab } from './down.js';
import { exclusively } from './exclusive.js';
import { hasHostPorts, installHostPorts } from './host-ports.js';
import {
  deviceSysctls,
  initialSysctls,
  netnsLines,
  nodeSetup,
  podSetup,
  wireLinks,
  wireSetup,
} from './network.js';
import type { LabReporter, LabShape, LabUpOptions } from './options.js';
import { claimNetns } from './ownership.js';
import { startServer } from './process-control.js';
import { installRules } from './rules.js';
import {
  bridgeBatch,
  ipBatch,
  LabCommandError,
  type RunOptions,
  runCommand,
  setSysctls,
} from './run-command.js';
import { describeLab, type LabState, writeLabState } from './state.js';
import { ALL_NETNS, INGRESS_POD, NODES, PODS, type PodName, SERVER_PODS } from './topology.js';
import { routingRules, vxlanForwarding } from './tunnels.js';
import { configureWireguard } from './wireguard.js';

/**
 * Builds the reference cluster. A lab that is already up is removed first; when a step
 * fails, or `options.signal` aborts, what was built is removed again.
 *
 * @throws UnsupportedError where the kernel, the privileges or a tool are lacking
 * @throws LabNameTakenError, LabCommandError, LabProcessError, LabBusyError
 */
export async function labUp(
  options: LabUpOptions = {},
  report: LabReporter = () => undefined,
): Promise<LabState> {
  const shape = await settleShape(
    {
      encap: options.encap ?? null,
      proxy: options.proxy ?? 'iptables',
      iptables: options.iptables ?? 'nft',
      crossSubnet: options.crossSubnet ?? false,
      subnets: options.subnets ?? 1,
      podMtu: options.podMtu ?? null,
      policy: options.policy ?? false,
      dualStack: options.dualStack ?? false,
    },
    report,
  );
  return exclusively(() => replaceLab(shape, options.signal, report), options.signal);
}

async function replaceLab(
  shape: LabShape,
  signal: AbortSignal | undefined,
  report: LabReporter,
): Promise<LabState> {
  if (await removeLab()) report('removed the lab that was up');
  await claimNetns();
  const run: RunOptions = signal === undefined ? {} : { signal };
  try {
    await build(shape, hasHostPorts(shape, report), run);
    const state = describeLab(shape);
    await writeLabState(state);
    return state;
  } catch (error) {
    await removeLab();
    throw error;
  }
}

async function build(shape: LabShape, hostPorts: boolean, run: RunOptions): Promise<void> {
  await ipBatch(null, netnsLines('add'), run);
  await together(ALL_NETNS, (netns) => setSysctls(netns, initialSysctls(netns, shape), run));
  await ipBatch(null, wireLinks(shape), run);
  await together([...wireSetup(shape)], ([netns, lines]) => ipBatch(netns, lines, run));
  await together(NODES, async (node) => {
    if (shape.encap === 'ipip') await ensureTunl0(node.name, run);
    await ipBatch(node.name, nodeSetup(node, shape), run);
    for (const args of routingRules(shape)) {
      await runCommand('ip', ['-netns', node.name, ...args], run);
    }
    const forwarding = vxlanForwarding(node, shape);
    if (forwarding.length > 0) await bridgeBatch(node.name, forwarding, run);
    await setSysctls(node.name, deviceSysctls(node, shape), run);
    await installRules(node, shape, run);
    if (hostPorts) await installHostPorts(node, shape, run);
  });
  if (shape.encap === 'wireguard') await configureWireguard(shape, run);
  await together(PODS, (pod) => ipBatch(pod.name, podSetup(pod, shape), run));
  const mode = shape.dualStack ? ['dual-stack'] : [];
  const servers: readonly [PodName, string, readonly string[]][] = [
    ...SERVER_PODS.map((pod): [PodName, string, string[]] => [pod, 'pod-server', [pod, ...mode]]),
    [INGRESS_POD, 'ingress-proxy', mode],
  ];
  await together(servers, ([pod, program, args]) => startServer(pod, program, args, run.signal));
}

/** All at once; when one fails, waits for the others before it says so. */
async function together<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const results = await Promise.allSettled(items.map(work));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/**
 * The kernel puts tunl0 into every namespace once it has ipip, unless
 * net.core.fb_tunnels_only_for_init_net forbids.
 */
async function ensureTunl0(netns: string, run: RunOptions): Promise<void> {
  try {
    await ipBatch(netns, ['link add tunl0 type ipip'], run);
  } catch (error) {
    if (!(error instanceof LabCommandError && error.stderr.includes('File exists'))) throw error;
  }
}
