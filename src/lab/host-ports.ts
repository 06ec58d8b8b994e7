/**
 * hostPort as a container runtime does it: by the portmap plugin of the Container
 * Network Interface, which is given a pod's address and writes the node's rules itself.
 */
import { existsSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import type { IptablesBackend, LabReporter, LabShape } from './options.js';
import { labEnvironment, type RunOptions, runIn } from './run-command.js';
import { LAB_DIRECTORY } from './state.js';
import { HOST_PORTS, type LabHostPort, type LabNode, type LabPod, podsOf } from './topology.js';

/** Where Debian puts the plugins, and where their own releases say they belong. */
const PLUGIN_FOLDERS = ['/usr/lib/cni', '/opt/cni/bin'] as const;
/** The version of the interface that Calico's configuration names. */
const CNI_VERSION = '0.3.1';
/** The plugin runs whatever is called so on its PATH. */
const TABLE_PROGRAMS = ['iptables', 'ip6tables'] as const;

/** Full path of the portmap plugin, `null` when there is none. */
export function portmapPlugin(folders: readonly string[] = PLUGIN_FOLDERS): string | null {
  return folders.map((folder) => `${folder}/portmap`).find((file) => existsSync(file)) ?? null;
}

/** Whether the lab has host ports; says so when it ought to and cannot. */
export function hasHostPorts(
  shape: Pick<LabShape, 'proxy'>,
  report: LabReporter,
  plugin = portmapPlugin(),
): boolean {
  if (shape.proxy !== 'iptables') return false;
  if (plugin !== null) return true;
  report('no CNI plugin portmap (Debian package containernetworking-plugins): no host ports');
  return false;
}

/** Lets the plugin write the rules of every host port of a node's pods. */
export async function installHostPorts(
  node: LabNode,
  shape: LabShape,
  options: RunOptions,
): Promise<void> {
  const plugin = portmapPlugin();
  if (plugin === null) return;
  const path = `${await programsOf(shape.iptables)}:${labEnvironment()['PATH'] ?? ''}`;
  for (const pod of podsOf(node.name)) {
    const ports = HOST_PORTS.filter((port) => port.pod === pod.name);
    if (ports.length === 0) continue;
    const variables = {
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: `hopscope-${pod.name}`,
      CNI_NETNS: `/run/netns/${pod.name}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: plugin.slice(0, plugin.lastIndexOf('/')),
      PATH: path,
    };
    const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const input = JSON.stringify(portmapConfig(pod, ports, shape.dualStack));
    await runIn(node.name, 'env', [...settings, plugin], { ...options, input });
  }
}

/** What the plugin reads: its configuration with the result of the plugin before it. */
function portmapConfig(pod: LabPod, ports: readonly LabHostPort[], dualStack: boolean): unknown {
  const addresses = [
    { version: '4', interface: 1, address: `${pod.ip}/32` },
    ...(dualStack ? [{ version: '6', interface: 1, address: `${pod.ip6}/128` }] : []),
  ];
  return {
    cniVersion: CNI_VERSION,
    name: 'k8s-pod-network',
    type: 'portmap',
    snat: true,
    capabilities: { portMappings: true },
    runtimeConfig: {
      portMappings: ports.map(({ hostPort, port, protocol }) => ({
        hostPort,
        containerPort: port,
        protocol,
      })),
    },
    prevResult: {
      cniVersion: CNI_VERSION,
      interfaces: [{ name: pod.hostDevice }, { name: 'eth0', sandbox: `/run/netns/${pod.name}` }],
      ips: addresses,
    },
  };
}

/** A folder in which `iptables` is the back end that the node's other rules are in. */
async function programsOf(backend: IptablesBackend): Promise<string> {
  const folder = `${LAB_DIRECTORY}/bin`;
  await mkdir(folder, { recursive: true });
  for (const program of TABLE_PROGRAMS) {
    try {
      await symlink(`/usr/sbin/${program}-${backend}`, `${folder}/${program}`);
    } catch (error) {
      // Another node was first.
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
  }
  return folder;
}
