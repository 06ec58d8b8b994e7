import { hostname } from 'node:os';
import {
  type Catalog,
  type CatalogEndpoint,
  type CatalogNamespace,
  type CatalogService,
  endpointKey,
  serviceKey,
} from '../name/catalog.js';
import type { NameChange } from '../name/cluster-names.js';
import { Endings } from '../name/lifetime.js';
import { mergeNames, mergeNamespaces } from '../provide/merge-names.js';
import type { NameFacts, NameProvider, ProviderName } from '../provide/name-provider.js';
import type { FoundNamespace } from './namespace-watcher.js';
import { NamespaceWatcher } from './namespace-watcher.js';

/** A provider that has not answered by then is not waited for; what it said before holds. */
export const PROVIDER_LIMIT_MS = 2_000;

/** Ages are rounded to steps, so that they do not change all the time. */
const AGE_STEP_MS = 5_000;

/** Gathers the names of what is on this machine from all who know some. */
export class CatalogReader {
  readonly #machine = { host: hostname(), own: NamespaceWatcher.own().netns };
  readonly #dropReasons: readonly (readonly [number, string])[];
  readonly #providers: readonly NameProvider[];
  readonly #facts = new Map<ProviderName, NameFacts>();
  /** What each said before and says no more. */
  readonly #endings = new Map<
    ProviderName,
    { endpoints: Endings<CatalogEndpoint>; services: Endings<CatalogService> }
  >();
  /** Namespaces of pods, by number, as long as they are there. */
  #pods: ReadonlyMap<number, CatalogNamespace> = new Map();
  readonly #busy = new Set<ProviderName>();
  /** When each answered last, ms. */
  readonly #readAt = new Map<ProviderName, number>();
  #onNews: () => void = () => undefined;
  /** What went wrong the last time, by provider. */
  readonly #failed = new Map<ProviderName, string>();

  constructor(
    dropReasons: ReadonlyMap<string, number | bigint>,
    providers: readonly NameProvider[],
  ) {
    this.#dropReasons = [...dropReasons].map(([name, value]) => [
      Number(value),
      name.replace(/^SKB_(?:DROP_REASON_)?/u, ''),
    ]);
    this.#providers = providers;
  }

  /** Whatever names are not to be had, in words. */
  get missing(): readonly string[] {
    const failed = [...this.#failed].map(([name, why]) => `names of ${name}: ${why}`);
    return [...failed, ...this.#providers.flatMap(({ missing = [] }) => missing)];
  }

  /** Seconds since what each says was certain; null while it never was. */
  ages(): Readonly<Record<string, number | null>> {
    const now = performance.now();
    return Object.fromEntries(
      this.#providers.map(({ name, ageMs }) => {
        const readAt = this.#readAt.get(name);
        const age = ageMs === undefined ? (readAt === undefined ? null : now - readAt) : ageMs;
        return [name, age === null ? null : Math.floor(age / AGE_STEP_MS) * (AGE_STEP_MS / 1_000)];
      }),
    );
  }

  /**
   * Has itself asked when a provider knows something new.
   *
   * @param onChange called with names of a whole cluster, which no catalog has
   */
  watch(onNews: () => void, onChange: (change: NameChange) => void): void {
    this.#onNews = onNews;
    for (const provider of this.#providers) {
      provider.watch?.(onNews);
      provider.follow?.(onChange);
    }
  }

  /** Names of namespaces, by what was known when all was read the last time. */
  named(namespaces: Iterable<FoundNamespace>): CatalogNamespace[] {
    const named = mergeNamespaces([...namespaces], this.#facts, this.#machine).map((each) =>
      // A pod may be gone for its runtime before its namespace is: that was nobody else's.
      each.pod === undefined ? (this.#pods.get(each.netns) ?? each) : each,
    );
    this.#pods = new Map(
      named.filter(({ pod }) => pod !== undefined).map((each) => [each.netns, each]),
    );
    return named;
  }

  async read(namespaces: Iterable<FoundNamespace>): Promise<Catalog> {
    const found = [...namespaces];
    await Promise.all(this.#providers.map((provider) => this.#ask(provider, found)));
    return {
      host: this.#machine.host,
      clockOffsetNs: String(clockOffset()),
      namespaces: this.named(found),
      ...mergeNames(this.#facts, this.#stale()),
      chains: [...this.#facts.values()].flatMap(({ chains }) => chains),
      dropReasons: this.#dropReasons,
    };
  }

  close(): void {
    for (const provider of this.#providers) provider.close?.();
  }

  #stale(): Set<ProviderName> {
    const stale = this.#providers.filter(
      ({ name, isStale = false }) => isStale || this.#failed.has(name),
    );
    return new Set(stale.map(({ name }) => name));
  }

  /** One that fails or does not answer does not keep others' names away. */
  async #ask(provider: NameProvider, found: readonly FoundNamespace[]): Promise<void> {
    const { name } = provider;
    if (this.#busy.has(name)) return;
    this.#busy.add(name);
    let isLate = false;
    const answer = provider
      .read(found)
      .then(
        (facts) => {
          this.#facts.set(name, this.#withEndings(name, facts));
          this.#failed.delete(name);
          this.#readAt.set(name, performance.now());
          if (isLate) this.#onNews();
        },
        (error: unknown) => {
          this.#failed.set(name, error instanceof Error ? error.message : String(error));
        },
      )
      .finally(() => this.#busy.delete(name));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        isLate = true;
        this.#failed.set(name, `no answer within ${PROVIDER_LIMIT_MS / 1_000} s`);
        resolve();
      }, PROVIDER_LIMIT_MS);
    });
    await Promise.race([answer, late]);
    clearTimeout(timer);
  }

  /** A flow keeps the name that its address had when it was seen. */
  #withEndings(name: ProviderName, facts: NameFacts): NameFacts {
    const endings = this.#endings.get(name) ?? {
      endpoints: new Endings(endpointKey),
      services: new Endings(serviceKey),
    };
    this.#endings.set(name, endings);
    const now = Number(process.hrtime.bigint() / 1_000_000n);
    return {
      ...facts,
      endpoints: endings.endpoints.update(facts.endpoints, now),
      services: endings.services.update(facts.services, now),
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
