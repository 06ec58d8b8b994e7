import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { boolean, type Infer, problemOf, whole } from 'hopscope-protocol';
import * as v from 'valibot';
import { HopscopeError } from '../model/errors.js';
import { tunnelIp } from './node-address.js';
import {
  ENCAPS,
  type Encap,
  IPTABLES_BACKENDS,
  type IptablesBackend,
  type LabShape,
  PROXIES,
  type ProxyMode,
  SUBNET_COUNTS,
  type SubnetCount,
} from './options.js';
import { CLIENT, K8S_NAMESPACE, NODES, PODS, podNamed, SERVICES, WIRES } from './topology.js';
import { tunnelsOf } from './tunnels.js';

export const LAB_DIRECTORY = '/run/hopscope/lab';
const STATE_FILE = `${LAB_DIRECTORY}/state.json`;
const STATE_VERSION = 1;

/** What a state file is read for. */
const shapeSchema = v.object({
  encap: v.picklist(ENCAPS),
  proxy: v.picklist(PROXIES),
  iptables: v.picklist(IPTABLES_BACKENDS),
  crossSubnet: boolean,
  subnets: v.picklist(SUBNET_COUNTS),
  podMtu: v.optional(v.nullable(whole()), null),
  policy: boolean,
  dualStack: boolean,
}) satisfies v.GenericSchema<unknown, LabShape>;

export type NetnsRole = 'node' | 'pod' | 'client' | 'wire';

export interface LabNetnsState {
  readonly name: string;
  readonly node: string | null;
  readonly role: NetnsRole;
}

export interface LabPodState {
  readonly name: string;
  readonly namespace: string;
  readonly node: string;
  readonly netns: string;
  readonly ips: readonly string[];
  readonly hostDevice: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface LabServiceState {
  readonly name: string;
  readonly namespace: string;
  readonly clusterIP: string;
  readonly clusterIPs: readonly string[];
  readonly ports: readonly { readonly protocol: string; readonly port: number }[];
  readonly nodePorts: readonly { readonly protocol: string; readonly port: number }[];
  readonly endpoints: readonly { readonly ip: string; readonly port: number }[];
}

export interface LabNodeState {
  readonly name: string;
  readonly ips: readonly string[];
}

/** What a running lab is, as other stages and other processes read it. */
export interface LabState {
  readonly version: typeof STATE_VERSION;
  readonly encap: Encap;
  readonly proxy: ProxyMode;
  readonly iptables: IptablesBackend;
  readonly crossSubnet: boolean;
  readonly subnets: SubnetCount;
  readonly podMtu: number | null;
  readonly policy: boolean;
  readonly dualStack: boolean;
  readonly netns: readonly LabNetnsState[];
  readonly pods: readonly LabPodState[];
  readonly services: readonly LabServiceState[];
  readonly nodes: readonly LabNodeState[];
}

/** The state file of the lab cannot be understood. */
export class LabStateError extends HopscopeError {}

export function describeLab(shape: LabShape): LabState {
  const both = (ip: string, ip6: string): string[] => (shape.dualStack ? [ip, ip6] : [ip]);
  return {
    version: STATE_VERSION,
    ...shape,
    netns: [
      ...NODES.map(({ name }) => ({ name, node: name, role: 'node' as const })),
      ...PODS.map(({ name, node }) => ({ name, node, role: 'pod' as const })),
      { name: CLIENT.netns, node: null, role: 'client' },
      { name: WIRES.lan, node: null, role: 'wire' },
      { name: WIRES.wan, node: null, role: 'wire' },
    ],
    pods: PODS.map((pod) => ({
      name: pod.name,
      namespace: K8S_NAMESPACE,
      node: pod.node,
      netns: pod.name,
      ips: both(pod.ip, pod.ip6),
      hostDevice: pod.hostDevice,
      labels: pod.labels,
    })),
    services: SERVICES.map((service) => ({
      name: service.name,
      namespace: K8S_NAMESPACE,
      clusterIP: service.clusterIp,
      clusterIPs: both(service.clusterIp, service.clusterIp6),
      ports: [{ protocol: service.protocol, port: service.port }],
      nodePorts: [{ protocol: service.protocol, port: service.nodePort }],
      endpoints: service.endpoints.flatMap(({ pod, port }) =>
        both(podNamed(pod).ip, podNamed(pod).ip6).map((ip) => ({ ip, port })),
      ),
    })),
    nodes: NODES.map((node) => ({
      name: node.name,
      ips: [
        ...both(node.lan.ip, node.lan.ip6),
        ...both(node.wan.ip, node.wan.ip6),
        ...tunnelsOf(shape).map(({ family }) => tunnelIp(node, family)),
      ],
    })),
  };
}

export async function writeLabState(state: LabState): Promise<void> {
  await mkdir(LAB_DIRECTORY, { recursive: true });
  // Readers look at any moment: they must never meet half a file.
  await writeFile(`${STATE_FILE}.new`, `${JSON.stringify(state, null, 2)}\n`);
  await rename(`${STATE_FILE}.new`, STATE_FILE);
}

/**
 * The lab that is up on this machine, `null` when none is.
 *
 * @throws LabStateError when the file is there but not one this version wrote
 */
export async function labState(): Promise<LabState | null> {
  let text: string;
  try {
    text = await readFile(STATE_FILE, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  return parseLabState(text);
}

/** @throws LabStateError */
export function parseLabState(text: string): LabState {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LabStateError('LAB_STATE_MALFORMED', `${STATE_FILE} is not JSON`, { cause });
  }
  if (Array.isArray(value)) {
    throw new LabStateError('LAB_STATE_MALFORMED', `${STATE_FILE} is not an object`);
  }
  const version = checked(v.object({ version: v.optional(v.unknown()) }), value).version;
  if (version !== STATE_VERSION) {
    throw new LabStateError(
      'LAB_STATE_VERSION',
      `${STATE_FILE} has version ${String(version)}, this program reads ` +
        `${STATE_VERSION}: run lab down and lab up again`,
    );
  }
  // The rest follows from its shape: a file cannot claim pods the lab does not have.
  return describeLab(checked(shapeSchema, value));
}

function checked<Schema extends v.GenericSchema>(schema: Schema, value: unknown): Infer<Schema> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output as Infer<Schema>;
  const problem = problemOf(result.issues, STATE_FILE);
  throw new LabStateError('LAB_STATE_MALFORMED', problem);
}
