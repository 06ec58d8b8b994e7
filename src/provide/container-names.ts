import { accessSync, constants, statSync } from 'node:fs';
import type { CatalogEndpoint, CatalogPod } from '../name/catalog.js';
import { inTurn } from '../source/in-turn.js';
import type { FoundNamespace } from '../source/namespace-watcher.js';
import type { ContainerRuntime, Sandbox, SandboxNetwork } from './container-runtime.js';
import {
  type NameFacts,
  type NameProvider,
  type NamespaceFact,
  NO_FACTS,
  type ProviderName,
} from './name-provider.js';

/** A way to ask container runtimes, and where they have their sockets unless others are chosen. */
export interface RuntimeKind {
  readonly name: ProviderName & ('cri' | 'docker');
  readonly sockets: readonly string[];
  /** Who has no runtime need not load what speaks to one. */
  readonly open: (socket: string) => Promise<ContainerRuntime>;
}

/** containerd and CRI-O. */
export const CRI: RuntimeKind = {
  name: 'cri',
  sockets: ['/run/containerd/containerd.sock', '/run/crio/crio.sock'],
  open: async (socket) => new (await import('./cri/cri-client.js')).CriClient(socket),
};
/** Docker, and Podman as root, which answers the same requests. */
export const DOCKER: RuntimeKind = {
  name: 'docker',
  sockets: ['/run/docker.sock', '/run/podman/podman.sock'],
  open: async (socket) => new (await import('./docker/docker-client.js')).DockerClient(socket),
};
/** Pods of one runtime; a kubelet takes 110 unless configured otherwise. */
export const SANDBOXES_LIMIT = 2_000;
/** What a runtime adds to the labels of a pod. */
const OF_RUNTIME = /^io\.kubernetes\./u;
/** A namespace comes before its pod is ready: so long it is asked for again, so often. */
const YOUNG_MS = 15_000;
const AGAIN_MS = 400;

interface Pod extends SandboxNetwork {
  readonly sandbox: Sandbox;
  /** Of its network namespace; null where it could not be found. */
  readonly inode: number | null;
  /** Monotonic milliseconds: worked out once, or it would be another each time. */
  readonly from: number;
}

interface Runtime {
  client: ContainerRuntime | null;
  /** By id. */
  pods: ReadonlyMap<string, Pod>;
  fault: string | null;
}

/** Pods and containers that the runtimes of this machine run. */
export class ContainerNames implements NameProvider {
  readonly name: RuntimeKind['name'];
  readonly #kind: RuntimeKind;
  readonly #sockets: readonly string[];
  readonly #isAsked: boolean;
  readonly #runtimes = new Map<string, Runtime>();
  /** When each namespace was met first, by its number. */
  #met = new Map<number, number>();
  #onNews: () => void = () => undefined;
  #again: NodeJS.Timeout | null = null;

  /**
   * @param sockets null for those that are usual
   * @param isAsked whether one that is not there is missing
   */
  constructor(kind: RuntimeKind, sockets: readonly string[] | null, isAsked = sockets !== null) {
    this.name = kind.name;
    this.#kind = kind;
    this.#sockets = sockets ?? kind.sockets;
    this.#isAsked = isAsked;
  }

  /** Runtimes that are there. */
  get runtimes(): number {
    return this.#runtimes.size;
  }

  /** Pods of theirs. */
  get pods(): number {
    return [...this.#runtimes.values()].reduce((sum, { pods }) => sum + pods.size, 0);
  }

  get isStale(): boolean {
    return [...this.#runtimes.values()].some(({ fault }) => fault !== null);
  }

  get missing(): readonly string[] {
    return [...this.#runtimes].flatMap(([socket, { fault }]) =>
      fault === null ? [] : [`names of pods from ${socket}: ${fault}`],
    );
  }

  watch(onNews: () => void): void {
    this.#onNews = onNews;
  }

  async read(found: readonly FoundNamespace[]): Promise<NameFacts> {
    await Promise.all(this.#sockets.map((socket) => this.#readRuntime(socket)));
    const pods = [...this.#runtimes.values()].flatMap((runtime) => [...runtime.pods.values()]);
    if (this.#runtimes.size === 0) return NO_FACTS;
    const byInode = new Map(found.map((each) => [each.inode, each.netns]));
    const named = new Set<number>();
    const namespaces: NamespaceFact[] = [];
    const endpoints: CatalogEndpoint[] = [];
    for (const { sandbox, ips, isShared, inode, from } of pods) {
      if (isShared) continue;
      const { name } = sandbox;
      const netns = inode === null ? undefined : byInode.get(inode);
      if (netns !== undefined) {
        named.add(netns);
        namespaces.push({ netns, name, role: 'pod', pod: podOf(sandbox) });
      }
      for (const ip of ips) {
        endpoints.push({
          ...{ ip, name, kind: 'pod', node: null, ...podOf(sandbox) },
          from,
          ...(netns === undefined ? {} : { netns }),
        });
      }
    }
    this.#askAgain(found, named);
    return { namespaces, endpoints, services: [], chains: [] };
  }

  close(): void {
    if (this.#again !== null) clearTimeout(this.#again);
    for (const { client } of this.#runtimes.values()) client?.close();
    this.#runtimes.clear();
  }

  async #readRuntime(socket: string): Promise<void> {
    const runtime = this.#runtimes.get(socket) ?? { client: null, pods: new Map(), fault: null };
    try {
      if (!isThere(socket)) {
        runtime.client?.close();
        if (!this.#isAsked) {
          this.#runtimes.delete(socket);
          return;
        }
        throw new Error('there is no such socket');
      }
      this.#runtimes.set(socket, runtime);
      accessSync(socket, constants.W_OK);
      const client = runtime.client ?? (await this.#kind.open(socket));
      runtime.client = client;
      runtime.pods = await readPods(client, runtime.pods);
      runtime.fault = null;
    } catch (error) {
      this.#runtimes.set(socket, runtime);
      runtime.fault = error instanceof Error ? error.message : String(error);
    }
  }

  /** A namespace that came just now may be of a pod that is not ready yet. */
  #askAgain(found: readonly FoundNamespace[], named: ReadonlySet<number>): void {
    const now = performance.now();
    this.#met = new Map(found.map(({ netns }) => [netns, this.#met.get(netns) ?? now]));
    const isYoung = ({ netns }: FoundNamespace): boolean =>
      !named.has(netns) && now - (this.#met.get(netns) ?? now) < YOUNG_MS;
    if (this.#again !== null || !found.some(isYoung)) return;
    this.#again = setTimeout(() => {
      this.#again = null;
      this.#onNews();
    }, AGAIN_MS);
    this.#again.unref();
  }
}

async function readPods(
  client: ContainerRuntime,
  known: ReadonlyMap<string, Pod>,
): Promise<ReadonlyMap<string, Pod>> {
  const ready = (await client.sandboxes()).filter(({ isReady }) => isReady);
  const pods = new Map<string, Pod>();
  await inTurn(ready.slice(0, SANDBOXES_LIMIT), async (sandbox) => {
    const before = known.get(sandbox.id);
    // It has its addresses and its namespace for as long as it runs; a container may run again.
    if (before !== undefined && inodeOf(before.paths) === before.inode && isKnown(before)) {
      pods.set(sandbox.id, { ...before, sandbox });
      return;
    }
    const network = await client.network(sandbox.id);
    const since = network.startedMs ?? sandbox.createdMs;
    const from = Math.floor(Number(process.hrtime.bigint()) / 1e6 - Date.now() + since);
    pods.set(sandbox.id, { ...network, sandbox, from, inode: inodeOf(network.paths) });
  });
  return pods;
}

function isKnown({ isShared, ips }: Pod): boolean {
  return isShared || ips.length > 0;
}

function inodeOf(paths: readonly string[]): number | null {
  for (const path of paths) {
    const inode = statSync(path, { throwIfNoEntry: false })?.ino;
    if (inode !== undefined) return inode;
  }
  return null;
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() === true;
}

function podOf({ namespace, labels }: Sandbox): CatalogPod {
  return {
    ...(namespace === null ? {} : { namespace }),
    labels: ownLabels(labels),
  };
}

function ownLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !OF_RUNTIME.test(key)));
}
