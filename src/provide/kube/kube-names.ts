import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CatalogEndpoint, CatalogService } from '../../name/catalog.js';
import { NO_NAMES, type ObjectNames } from '../../name/kube-objects.js';
import { type NameFacts, type NameProvider, NO_FACTS } from '../name-provider.js';
import type { KubeReport, KubeRequest } from './kube-process.js';

const PROGRAM = fileURLToPath(new URL('kube-process.js', import.meta.url));
/** Of the process that asks, MiB. */
const HEAP_MIB = 192;
/**
 * Addresses and ports that are taken of each resource. A catalog is passed on whole, so that more
 * would keep the daemon from packets at each change.
 */
export const KUBE_NAMES_LIMITS: Readonly<Record<string, number>> = {
  pods: 1_000,
  services: 2_000,
  nodes: 500,
  endpointslices: 1_500,
};
/** After so long without a word of the server, names may be of yesterday. */
export const STALE_MS = 150_000;
/** Changes are passed on together. */
const TOGETHER_MS = 300;
const RESTART = { first: 1_000, most: 60_000 } as const;

interface Size {
  kept: number;
  /** Keys of objects past the limit. */
  readonly leftOut: Set<string>;
}

export interface KubeNamesOptions extends KubeRequest {
  /** The program that asks, compiled; the one beside this when absent. */
  readonly program?: string;
}

/** Names that the API server of Kubernetes knows, asked by a process of its own. */
export class KubeNames implements NameProvider {
  readonly name = 'kubernetes';
  readonly #options: KubeNamesOptions;
  readonly #objects = new Map<string, ObjectNames>();
  #child: ChildProcess | null = null;
  #report: Pick<KubeReport, 'contact' | 'faults'> = { contact: null, faults: [] };
  #ended: string | null = null;
  readonly #sizes = new Map<string, Size>();
  #restarts = 0;
  #timer: NodeJS.Timeout | null = null;
  #restart: NodeJS.Timeout | null = null;
  #isClosed = false;
  #onNews: () => void = () => undefined;

  constructor(options: KubeNamesOptions) {
    this.#options = options;
  }

  get missing(): readonly string[] {
    const age = this.ageMs;
    const faults = this.#ended === null ? this.#report.faults : [this.#ended];
    return [
      ...faults.map((fault) => `names of Kubernetes: ${fault}`),
      ...(age !== null && this.isStale
        ? [`names of Kubernetes: what is known is ${Math.round(age / 1_000)} s old`]
        : []),
      ...[...this.#sizes].flatMap(([resource, { leftOut }]) =>
        leftOut.size === 0
          ? []
          : [`names of Kubernetes: ${leftOut.size} ${resource} past the limit`],
      ),
    ];
  }

  /** Milliseconds since the server spoke; null while it has not. */
  get ageMs(): number | null {
    return this.#report.contact === null ? null : Math.max(0, Date.now() - this.#report.contact);
  }

  get isStale(): boolean {
    return (this.ageMs ?? 0) > STALE_MS;
  }

  watch(onNews: () => void): void {
    this.#onNews = onNews;
    this.#start();
  }

  read(): Promise<NameFacts> {
    const endpoints: CatalogEndpoint[] = [];
    const services: CatalogService[] = [];
    /** Known from nodes and pods: a slice says less, and of a pod in its node's namespace else. */
    const known = new Set<string>();
    for (const [key, names] of this.#objects) {
      if (key.startsWith('endpointslices/')) continue;
      endpoints.push(...names.endpoints);
      services.push(...names.services);
    }
    for (const { ip } of endpoints) known.add(ip);
    for (const [key, names] of this.#objects) {
      if (!key.startsWith('endpointslices/')) continue;
      for (const each of names.endpoints) {
        // A pod may back several services.
        const pod = `${each.ip} ${each.name}`;
        if (known.has(each.ip) || known.has(pod)) continue;
        known.add(pod);
        endpoints.push(each);
      }
    }
    return Promise.resolve({ ...NO_FACTS, endpoints, services });
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of [this.#timer, this.#restart]) if (timer !== null) clearTimeout(timer);
    this.#child?.kill();
    this.#child = null;
  }

  #start(): void {
    if (this.#isClosed) return;
    const { kubeconfig, node, program = PROGRAM } = this.#options;
    let complaint = '';
    const child = fork(program, [JSON.stringify({ kubeconfig, node } satisfies KubeRequest)], {
      execArgv: [`--max-old-space-size=${HEAP_MIB}`],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-2_000);
    });
    child.on('message', (message) => this.#receive(message as KubeReport));
    child.on('error', (error) => {
      complaint = error.message;
    });
    child.on('exit', (status, signal) => {
      if (this.#isClosed || this.#child !== child) return;
      const why = /^\w*Error: (.*)$/mu.exec(complaint)?.[1] ?? `status ${status ?? signal}`;
      this.#ended = `the process that asks has ended: ${why}`;
      const wait = Math.min(RESTART.first * 2 ** this.#restarts, RESTART.most);
      this.#restarts += 1;
      this.#restart = setTimeout(() => this.#start(), wait * (0.5 + Math.random() / 2));
      this.#restart.unref();
      this.#news();
    });
    child.unref();
    child.channel?.unref();
    this.#child = child;
  }

  #receive({ names, contact, faults }: KubeReport): void {
    this.#ended = null;
    if (contact !== null) this.#restarts = 0;
    this.#report = { contact, faults };
    for (const [key, each] of names) {
      this.#put(key, each);
    }
    if (names.length > 0) this.#news();
  }

  #put(key: string, names: ObjectNames | null): void {
    const resource = key.slice(0, key.indexOf('/'));
    const size = this.#sizes.get(resource) ?? { kept: 0, leftOut: new Set() };
    this.#sizes.set(resource, size);
    const before = this.#objects.get(key);
    const kept = size.kept - lengthOf(before ?? NO_NAMES);
    size.leftOut.delete(key);
    if (names === null) {
      this.#objects.delete(key);
      size.kept = kept;
    } else if (kept + lengthOf(names) > (KUBE_NAMES_LIMITS[resource] ?? 0)) {
      this.#objects.delete(key);
      size.kept = kept;
      size.leftOut.add(key);
    } else {
      this.#objects.set(key, monotonic(names, before));
      size.kept = kept + lengthOf(names);
    }
  }

  #news(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#onNews();
    }, TOGETHER_MS);
    this.#timer.unref();
  }
}

function lengthOf({ endpoints, services }: ObjectNames): number {
  return endpoints.length + services.length;
}

/** Times of the clock of records, which a step of the wall clock does not move; each worked out once. */
function monotonic(names: ObjectNames, before: ObjectNames = NO_NAMES): ObjectNames {
  const toMonotonic = Number(process.hrtime.bigint()) / 1e6 - Date.now();
  const endpoints = names.endpoints.map((each): CatalogEndpoint => {
    const { from } = each;
    if (from === undefined) return each;
    const isSame = before.endpoints.find(({ ip, name }) => ip === each.ip && name === each.name);
    return { ...each, from: isSame?.from ?? Math.floor(from + toMonotonic) };
  });
  return { ...names, endpoints };
}
