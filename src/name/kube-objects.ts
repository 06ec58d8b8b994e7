import { isIP } from 'node:net';
import type { CatalogEndpoint, CatalogService } from './catalog.js';

/** What one object of Kubernetes says of names; `from` is wall-clock milliseconds here. */
export interface ObjectNames {
  readonly endpoints: readonly CatalogEndpoint[];
  readonly services: readonly CatalogService[];
}

export const NO_NAMES: ObjectNames = { endpoints: [], services: [] };

/** What made a pod: its controller, with the template's hash where that is a ReplicaSet. */
export interface Owner {
  readonly kind: string;
  readonly name: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** Labels of one pod that are kept. */
const LABELS_LIMIT = 32;

/** `namespace/name`. */
export function objectKey(object: Fields): string {
  const { namespace, name } = fieldsOf(object['metadata']);
  return `${textOf(namespace)}/${textOf(name)}`;
}

/** The controller among the owners of a pod, a ReplicaSet or a Job; null without one. */
export function controllerOf(object: Fields): Owner | null {
  const owner = listOf(fieldsOf(object['metadata'])['ownerReferences']).find(
    ({ controller }) => controller === true,
  );
  const { kind, name } = owner ?? {};
  return typeof kind === 'string' && typeof name === 'string' ? { kind, name } : null;
}

/**
 * Addresses of a pod (core/v1). One in its node's namespace has none of its own, and one that has
 * ended gave them back.
 */
export function podNames(pod: Fields, workload: Owner | null): ObjectNames {
  const { metadata, spec, status } = pod;
  const { name, namespace, labels } = fieldsOf(metadata);
  const { hostNetwork, nodeName } = fieldsOf(spec);
  const { phase, podIP, podIPs, startTime } = fieldsOf(status);
  if (hostNetwork === true || phase === 'Succeeded' || phase === 'Failed') return NO_NAMES;
  const ips = new Set([textOf(podIP), ...listOf(podIPs).map(({ ip }) => textOf(ip))]);
  const from = Date.parse(textOf(startTime));
  const endpoints = [...ips].flatMap((ip): CatalogEndpoint[] => {
    const address = addressOf(ip);
    if (address === null) return [];
    return [
      {
        ...{ ip: address, name: textOf(name), kind: 'pod', node: textOf(nodeName) || null },
        namespace: textOf(namespace),
        ...(workload === null ? {} : { workload: `${workload.kind}/${workload.name}` }),
        labels: textsOf(labels),
        ...(Number.isNaN(from) ? {} : { from }),
      },
    ];
  });
  return { endpoints, services: [] };
}

/**
 * Addresses and ports of a service (core/v1). A headless one has none of its own, and an external
 * name is only an alias in DNS.
 */
export function serviceNames(service: Fields): ObjectNames {
  const name = objectKey(service);
  const { type, clusterIP, clusterIPs, externalIPs, ports } = fieldsOf(service['spec']);
  if (type === 'ExternalName') return NO_NAMES;
  const { ingress } = fieldsOf(fieldsOf(service['status'])['loadBalancer']);
  const ips = new Set(
    [
      clusterIP,
      ...wordsOf(clusterIPs),
      ...wordsOf(externalIPs),
      ...listOf(ingress).map(({ ip }) => ip),
    ]
      .map((ip) => addressOf(textOf(ip)))
      .filter((ip) => ip !== null),
  );
  const services = listOf(ports).flatMap(({ port, nodePort, protocol }): CatalogService[] => {
    const proto = (textOf(protocol) || 'TCP').toLowerCase();
    const own = isPort(port) ? [...ips].map((ip) => ({ name, ip, port, proto })) : [];
    return isPort(nodePort) ? [...own, { name, ip: null, port: nodePort, proto }] : own;
  });
  return { endpoints: [], services };
}

/**
 * Which pods back a service (discovery.k8s.io/v1): pods of any node by their name. What is no pod is
 * not named after the service, since others may use it too.
 */
export function sliceNames(slice: Fields): ObjectNames {
  const endpoints = listOf(slice['endpoints']).flatMap((endpoint): CatalogEndpoint[] => {
    const { kind, name, namespace } = fieldsOf(endpoint['targetRef']);
    if (kind !== 'Pod' || typeof name !== 'string') return [];
    return wordsOf(endpoint['addresses']).flatMap((text): CatalogEndpoint[] => {
      const ip = addressOf(text);
      if (ip === null) return [];
      const node = textOf(endpoint['nodeName']) || null;
      return [{ ip, name, kind: 'pod', node, namespace: textOf(namespace) }];
    });
  });
  return { endpoints, services: [] };
}

/** Addresses of a node (core/v1). */
export function nodeNames(node: Fields): ObjectNames {
  const name = textOf(fieldsOf(node['metadata'])['name']);
  const endpoints = listOf(fieldsOf(node['status'])['addresses']).flatMap(
    ({ address }): CatalogEndpoint[] => {
      const ip = addressOf(textOf(address));
      return ip === null ? [] : [{ ip, name, kind: 'node', node: name }];
    },
  );
  return { endpoints, services: [] };
}

/** In the form that records have; null for what is none, such as `None` or a host name. */
function addressOf(text: string): string | null {
  const family = isIP(text);
  if (family === 4) return text;
  return family === 6 && !text.includes('%')
    ? new URL(`http://[${text}]/`).hostname.slice(1, -1)
    : null;
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= 0xffff;
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : {};
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function wordsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function textsOf(value: unknown): Record<string, string> {
  const texts = Object.entries(fieldsOf(value)).slice(0, LABELS_LIMIT);
  return Object.fromEntries(texts.map(([key, text]) => [key, textOf(text)]));
}
