import { BpfError } from 'ebpf-ts';
import { HopscopeError } from '../model/errors.js';
import {
  type BaseChain,
  chainsFromLegacy,
  type DumpedChains,
  decodeChains,
} from '../name/base-chains.js';
import type { CatalogService } from '../name/catalog.js';
import { servicesFromNftables } from '../name/kube-nftables.js';
import { servicesFromRules } from '../name/kube-rules.js';
import { LEGACY_FILES } from '../source/firewall-reader.js';
import { inTurn } from '../source/in-turn.js';
import { runInside } from '../source/inside-namespace.js';
import { askNamespace, NLM_F_DUMP } from '../source/namespace-query.js';
import type { FoundNamespace } from '../source/namespace-watcher.js';
import type { NameFacts, NameProvider } from './name-provider.js';

/** NFT_MSG_GETCHAIN of the subsystem of nftables (include/uapi/linux/netfilter/nf_tables.h). */
const CHAINS_REQUEST = {
  ...{ protocol: 12, type: (10 << 8) | 4, flags: NLM_F_DUMP },
  body: new Uint8Array(4),
} as const;
/** Bytes of chains taken from one namespace: some 200,000. */
const NAMESPACE_BYTES = 16 << 20;
/** Looks that a namespace is left out of at most, after its listing failed again and again. */
const PAUSE_MOST = 30;

/** How a proxy's services are read, and the chain that says there are any. */
interface Listing {
  readonly chain: RegExp;
  readonly command: readonly [string, ...string[]];
  readonly services: (text: string) => CatalogService[];
}

const LISTINGS: readonly Listing[] = [
  ...(['ip', 'ip6'] as const).map((family) => ({
    chain: new RegExp(`^${family} nat KUBE-SERVICES$`, 'u'),
    command: [`${family}tables-nft-save`, '-t', 'nat'] as const,
    services: servicesFromRules,
  })),
  ...(['ip', 'ip6'] as const).map((family) => ({
    chain: new RegExp(`^${family} kube-proxy `, 'u'),
    command: ['nft', 'list', 'table', family, 'kube-proxy'] as const,
    services: servicesFromNftables,
  })),
];

interface ReadRules {
  /** What it was read at: while it stays the same, so do the services. */
  readonly generation: number | null;
  readonly services: readonly CatalogService[];
  /** Times in a row that a listing failed, and how often to look away before the next try. */
  readonly failures: number;
  readonly pause: number;
  readonly chains: readonly BaseChain[];
}

/**
 * Names of services as kube-proxy leaves them in its rules, and the tables at the hooks, of every
 * namespace that has them. What there is is asked by netlink; a process is started only to list
 * services, and only after the rules have changed.
 */
export class RuleNames implements NameProvider {
  readonly name = 'rules';
  #known = new Map<number, ReadRules>();
  #absentTools = new Set<string>();
  /** Processes that were started, for those who mind. */
  listings = 0;

  get missing(): readonly string[] {
    return [...this.#absentTools]
      .sort()
      .map((tool) => `names of services in rules: ${tool} is not installed`);
  }

  async read(found: readonly FoundNamespace[]): Promise<NameFacts> {
    const known = new Map<number, ReadRules>();
    this.#absentTools = new Set();
    await inTurn([...found], async ({ netns, path }) => {
      const read = await this.#readNamespace(path, this.#known.get(netns));
      if (read !== null) known.set(netns, read);
    });
    this.#known = known;
    const inOrder = found.flatMap(({ netns }) => {
      const read = known.get(netns);
      return read === undefined ? [] : [{ netns, ...read }];
    });
    return {
      namespaces: [],
      endpoints: [],
      services: inOrder.flatMap(({ services }) => services),
      chains: inOrder.flatMap(({ netns, chains }) => chains.map((each) => ({ netns, ...each }))),
    };
  }

  /** Null for a namespace that has gone. */
  async #readNamespace(path: string, before: ReadRules | undefined): Promise<ReadRules | null> {
    const asked = await askRules(path);
    if (asked === null) return null;
    const { dumped, legacy } = asked;
    const { generation } = dumped;
    const chains = [
      ...dumped.base,
      ...chainsFromLegacy(legacy[0] ?? '', 'ipv4'),
      ...chainsFromLegacy(legacy[1] ?? '', 'ipv6'),
    ];
    const hasLegacy = legacy.some((names) => names.split('\n').includes('nat'));
    // The old back end has no generation, so it is listed each time.
    if (before !== undefined && !hasLegacy && before.generation === generation) {
      const { services, failures, pause } = before;
      if (failures === 0) return { generation, services, failures, pause, chains };
      if (pause > 0) return { generation, services, failures, pause: pause - 1, chains };
    }
    const listings = LISTINGS.filter(({ chain }) => [...dumped.names].some((n) => chain.test(n)));
    for (const [i, family] of ['ip', 'ip6'].entries()) {
      // Asking for a table that is not there would make it, hooks and all
      // (net/netfilter/x_tables.c, xt_find_table_lock).
      if (!(legacy[i] ?? '').split('\n').includes('nat')) continue;
      const command = [`${family}tables-legacy-save`, '-t', 'nat'] as const;
      listings.push({ chain: /./u, command, services: servicesFromRules });
    }
    const listed = await Promise.all(listings.map((each) => this.#list(path, each)));
    const services = listed.flatMap((each) => each ?? []);
    if (!listed.includes(null)) return { generation, chains, services, failures: 0, pause: 0 };
    const failures = (before?.failures ?? 0) + 1;
    // What was known before is nearer to the truth than nothing, and it is tried again.
    return {
      ...{ generation, chains, failures, pause: Math.min(failures - 1, PAUSE_MOST) },
      services: services.length > 0 ? services : (before?.services ?? []),
    };
  }

  /** Null where it failed: a busy machine may need longer than it is given. */
  async #list(path: string, { command, services }: Listing): Promise<CatalogService[] | null> {
    this.listings += 1;
    try {
      return services(await runInside(path, ...command));
    } catch (error) {
      // nsenter(1) ends with 127 where it does not find the command; otherwise the rules have
      // gone meanwhile, or the namespace.
      if (error instanceof Error && 'code' in error && error.code === 127) {
        this.#absentTools.add(command[0]);
      }
      return null;
    }
  }
}

/** Null for a namespace that has gone, or may not be entered. */
async function askRules(
  path: string,
): Promise<{ dumped: DumpedChains; legacy: readonly string[] } | null> {
  try {
    const said = await askNamespace(path, [CHAINS_REQUEST], LEGACY_FILES, NAMESPACE_BYTES);
    const legacy = said.files.map(({ data }) => Buffer.from(data).toString());
    return { dumped: decodeChains(said.answers[0]?.data ?? new Uint8Array()), legacy };
  } catch (error) {
    if (error instanceof BpfError || error instanceof HopscopeError) return null;
    throw error;
  }
}
