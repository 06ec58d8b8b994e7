import { hostname } from 'node:os';
import { type LabState, labState } from '../lab/state.js';
import type {
  Catalog,
  CatalogChain,
  CatalogEndpoint,
  CatalogNamespace,
  CatalogService,
} from '../name/catalog.js';
import type { VirtualServer } from '../name/ipvs-servers.js';
import { readBaseChains } from './chain-reader.js';
import type { FoundNamespace } from './namespace-watcher.js';
import { NamespaceWatcher } from './namespace-watcher.js';
import { readServices, readVirtualServers } from './service-rules.js';

/** Gathers the names of what is on this machine. */
export class CatalogReader {
  readonly #own = NamespaceWatcher.own().netns;
  readonly #dropReasons: readonly (readonly [number, string])[];
  #lab: LabState | null = null;

  constructor(dropReasons: ReadonlyMap<string, number | bigint>) {
    this.#dropReasons = [...dropReasons].map(([name, value]) => [
      Number(value),
      name.replace(/^SKB_(?:DROP_REASON_)?/u, ''),
    ]);
  }

  /** Names of namespaces, by what was known when all was read the last time. */
  named(namespaces: Iterable<FoundNamespace>): CatalogNamespace[] {
    return [...namespaces].map((namespace) => this.#name(namespace, this.#lab));
  }

  async read(namespaces: Iterable<FoundNamespace>): Promise<Catalog> {
    const lab = await readLab();
    this.#lab = lab;
    const found = [...namespaces];
    const named = this.named(found);
    const services: CatalogService[] = [];
    const chains: CatalogChain[] = [];
    for (const [index, namespace] of named.entries()) {
      const path = found[index]?.path;
      if (path !== undefined && (namespace.role === 'node' || namespace.netns === this.#own)) {
        services.push(...(await readServices(path)));
        const { netns } = namespace;
        chains.push(...(await readBaseChains(path)).map((chain) => ({ netns, ...chain })));
        if (lab?.proxy === 'ipvs') {
          services.push(...labVirtualServers(lab, await readVirtualServers(path)));
        }
      }
    }
    return {
      host: hostname(),
      clockOffsetNs: String(clockOffset()),
      namespaces: named,
      endpoints: lab === null ? [] : labEndpoints(lab),
      services: unique(services),
      chains,
      dropReasons: this.#dropReasons,
    };
  }

  #name(namespace: FoundNamespace, lab: LabState | null): CatalogNamespace {
    const known = lab?.netns.find((n) => n.name === namespace.name);
    if (known !== undefined) {
      return {
        netns: namespace.netns,
        inode: namespace.inode,
        name: known.name,
        node: known.node ?? hostname(),
        role: known.role,
      };
    }
    const own = namespace.netns === this.#own;
    return {
      netns: namespace.netns,
      inode: namespace.inode,
      name: namespace.name ?? (own ? 'host' : `net:[${namespace.inode}]`),
      node: hostname(),
      role: own ? 'node' : null,
    };
  }
}

/** Readings of both clocks, of which the one least disturbed counts. */
const CLOCK_READINGS = 5;

/** Wall clock minus the monotonic clock of bpf_ktime_get_ns, nanoseconds. */
function clockOffset(): bigint {
  let best = { offset: 0n, apart: -1n };
  for (let i = 0; i < CLOCK_READINGS; i++) {
    const before = process.hrtime.bigint();
    const wall = Date.now();
    const apart = process.hrtime.bigint() - before;
    if (best.apart < 0n || apart < best.apart) {
      best = { offset: BigInt(wall) * 1_000_000n - before, apart };
    }
  }
  return best.offset;
}

/** A state file that cannot be read costs names, nothing else. */
async function readLab(): Promise<LabState | null> {
  try {
    return await labState();
  } catch {
    return null;
  }
}

function labEndpoints(lab: LabState): CatalogEndpoint[] {
  const pods = lab.pods.flatMap((pod) =>
    pod.ips.map((ip): CatalogEndpoint => ({ ip, name: pod.name, kind: 'pod', node: pod.node })),
  );
  const nodes = lab.nodes.flatMap((node) =>
    node.ips.map((ip): CatalogEndpoint => ({ ip, name: node.name, kind: 'node', node: node.name })),
  );
  return [...pods, ...nodes];
}

/** In IPVS mode no rule says what a service is called; of its own cluster the lab knows. */
function labVirtualServers(lab: LabState, servers: readonly VirtualServer[]): CatalogService[] {
  const nodes = new Set(lab.nodes.flatMap((node) => node.ips));
  return servers.flatMap(({ ip, port, proto }) => {
    const service = lab.services.find(({ clusterIPs, ports, nodePorts }) => {
      const offered = clusterIPs.includes(ip) ? ports : nodes.has(ip) ? nodePorts : [];
      return offered.some((each) => each.protocol === proto && each.port === port);
    });
    return service === undefined
      ? []
      : [{ name: `${service.namespace}/${service.name}`, ip, port, proto }];
  });
}

function unique(services: readonly CatalogService[]): CatalogService[] {
  return [...new Map(services.map((s) => [`${s.ip}:${s.proto}:${s.port}`, s])).values()];
}
