import type { CatalogEndpoint, CatalogService } from '../name/catalog.js';
import { type NameFacts, type NameProvider, NO_FACTS } from '../provide/name-provider.js';
import type { FoundNamespace } from '../source/namespace-watcher.js';
import { type LabState, labState } from './state.js';

/** What the reference cluster knows of itself: namespaces, nodes and pods. */
export class LabNames implements NameProvider {
  readonly name = 'lab';

  async read(found: readonly FoundNamespace[]): Promise<NameFacts> {
    const lab = await labState();
    if (lab === null) return NO_FACTS;
    const named = new Map(lab.netns.map((each) => [each.name, each]));
    return {
      namespaces: found.flatMap(({ netns, name }) => {
        const known = name === null ? undefined : named.get(name);
        return known === undefined ? [] : [{ netns, node: known.node, role: known.role }];
      }),
      endpoints: endpoints(lab),
      services: services(lab),
      chains: [],
    };
  }
}

function endpoints(lab: LabState): CatalogEndpoint[] {
  const pods = lab.pods.flatMap((pod) =>
    pod.ips.map((ip): CatalogEndpoint => ({ ip, name: pod.name, kind: 'pod', node: pod.node })),
  );
  const nodes = lab.nodes.flatMap((node) =>
    node.ips.map((ip): CatalogEndpoint => ({ ip, name: node.name, kind: 'node', node: node.name })),
  );
  return [...pods, ...nodes];
}

/** In IPVS mode alone: there no rule says what a service is called. */
function services({ proxy, services: offered }: LabState): CatalogService[] {
  if (proxy !== 'ipvs') return [];
  return offered.flatMap(({ name, namespace, clusterIPs, ports, nodePorts }) => {
    const full = `${namespace}/${name}`;
    return [
      ...clusterIPs.flatMap((ip) =>
        ports.map(({ port, protocol }) => ({ name: full, ip, port, proto: protocol })),
      ),
      ...nodePorts.map(({ port, protocol }) => ({ name: full, ip: null, port, proto: protocol })),
    ];
  });
}
