import {
  controllerOf,
  nodeNames,
  type ObjectNames,
  type Owner,
  objectKey,
  podNames,
  serviceNames,
  sliceNames,
} from '../../name/kube-objects.js';
import {
  fieldsOf,
  type Get,
  type KubeObject,
  ListWatch,
  type ListWatchTimes,
  TIMES,
} from './list-watch.js';

/** Owners of pods that are remembered. */
export const OWNERS_LIMIT = 4_096;
const OWNER_MS = 5_000;
/** Owners that are owned themselves, and where they are. */
const OWNED: Readonly<Record<string, string>> = {
  ReplicaSet: '/apis/apps/v1/namespaces/NS/replicasets/',
  Job: '/apis/batch/v1/namespaces/NS/jobs/',
};

export type Resource = 'nodes' | 'pods' | 'services' | 'endpointslices';

export interface ClusterEvents {
  /** What an object says now; null when it is gone. Its key is unique in the cluster. */
  onNames(key: string, names: ObjectNames | null): void;
  onContact(resource: Resource): void;
  onFault(resource: Resource, fault: string | null): void;
}

/** Follows what the API server knows: pods of one node alone, services, and which pods back them. */
export class Cluster {
  readonly #get: Get;
  readonly #events: ClusterEvents;
  readonly #watches: ListWatch[];
  /** Keys by resource, to know which are gone after a list. */
  readonly #keys = new Map<Resource, Set<string>>();
  readonly #owners = new Map<string, Promise<Owner>>();
  /** Versions of pods whose owner is being asked for: an older one must not win. */
  readonly #latest = new Map<string, unknown>();

  /** @param node whose pods are followed; null for those of all nodes */
  constructor(get: Get, node: string | null, events: ClusterEvents, times: ListWatchTimes = TIMES) {
    this.#get = get;
    this.#events = events;
    const ofNode =
      node === null ? '' : `?fieldSelector=${encodeURIComponent(`spec.nodeName=${node}`)}`;
    this.#watches = [
      this.#follow('nodes', '/api/v1/nodes', times),
      this.#follow('pods', `/api/v1/pods${ofNode}`, times),
      this.#follow('services', '/api/v1/services', times),
      this.#follow('endpointslices', '/apis/discovery.k8s.io/v1/endpointslices', times),
    ];
  }

  /** Goes on until it is stopped. */
  async run(): Promise<void> {
    await Promise.all(this.#watches.map((watch) => watch.run()));
  }

  stop(): void {
    for (const watch of this.#watches) watch.stop();
  }

  #follow(resource: Resource, path: string, times: ListWatchTimes): ListWatch {
    const known = new Set<string>();
    this.#keys.set(resource, known);
    /** Keys that a list has not had yet. */
    let unlisted = new Set<string>();
    const keyOf = (object: KubeObject): string => `${resource}/${objectKey(object)}`;
    const put = (object: KubeObject): void => {
      const key = keyOf(object);
      known.add(key);
      unlisted.delete(key);
      this.#put(resource, key, object);
    };
    const remove = (key: string): void => {
      known.delete(key);
      this.#latest.delete(key);
      this.#events.onNames(key, null);
    };
    return new ListWatch(
      path,
      this.#get,
      {
        onListBegin: () => {
          unlisted = new Set(known);
        },
        onListEnd: () => {
          for (const key of unlisted) remove(key);
          unlisted.clear();
        },
        onPut: put,
        onDelete: (object) => remove(keyOf(object)),
        onContact: () => this.#events.onContact(resource),
        onFault: (fault) => this.#events.onFault(resource, fault),
      },
      times,
    );
  }

  #put(resource: Resource, key: string, object: KubeObject): void {
    switch (resource) {
      case 'pods':
        this.#putPod(key, object);
        break;
      case 'services':
        this.#events.onNames(key, serviceNames(object));
        break;
      case 'nodes':
        this.#events.onNames(key, nodeNames(object));
        break;
      case 'endpointslices':
        this.#events.onNames(key, sliceNames(object));
        break;
    }
  }

  #putPod(key: string, pod: KubeObject): void {
    const owner = controllerOf(pod);
    this.#events.onNames(key, podNames(pod, owner));
    const { namespace, resourceVersion } = fieldsOf(pod['metadata']);
    const path = owner === null ? undefined : OWNED[owner.kind];
    if (owner === null || path === undefined || typeof namespace !== 'string') return;
    this.#latest.set(key, resourceVersion);
    void this.#ownerOf(path.replace('NS', namespace), owner).then((found) => {
      const isNewest = this.#latest.get(key) === resourceVersion;
      if (!isNewest || this.#keys.get('pods')?.has(key) !== true) return;
      this.#latest.delete(key);
      if (found !== owner) this.#events.onNames(key, podNames(pod, found));
    });
  }

  /** Asked for once; where that is refused, the owner itself is as far as it is known. */
  #ownerOf(path: string, owner: Owner): Promise<Owner> {
    const key = `${path}${owner.name}`;
    const known = this.#owners.get(key);
    if (known !== undefined) return known;
    const found = this.#askOwner(key).then(
      (above) => above ?? owner,
      () => {
        this.#owners.delete(key);
        return owner;
      },
    );
    const [oldest] = this.#owners.keys();
    if (this.#owners.size >= OWNERS_LIMIT && oldest !== undefined) this.#owners.delete(oldest);
    this.#owners.set(key, found);
    return found;
  }

  async #askOwner(path: string): Promise<Owner | null> {
    const { status, body } = await this.#get(path, AbortSignal.timeout(OWNER_MS));
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    if (status !== 200) throw new Error(`status ${status}`);
    return controllerOf(fieldsOf(JSON.parse(Buffer.concat(chunks).toString())));
  }
}
