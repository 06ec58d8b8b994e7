import { createHash } from 'node:crypto';
import { BpfError } from 'ebpf-ts';
import { HopscopeError } from '../model/errors.js';
import { decodeLinks } from '../network/decode-links.js';
import { decodeRoutes } from '../network/decode-routes.js';
import { decodeRules } from '../network/decode-rules.js';
import type { NamespaceDescription } from '../network/description.js';
import { FAMILIES, type Family } from '../network/ip-address.js';
import {
  attributesOf,
  be32,
  messagesOf,
  NFGENMSG,
  requireBytes,
} from '../network/netlink-message.js';
import { networkText } from '../rules/network-text.js';
import type { NamespaceRules, RuleProblem, RuleText } from '../rules/rule-text.js';
import { type FirewallTable, LEGACY_FILES, TABLES_REQUEST, tablesOf } from './firewall-reader.js';
import { AF, askNamespace, dump, RTM } from './namespace-query.js';
import type { FoundNamespace } from './namespace-watcher.js';
import { readNftTables } from './nft-rules-reader.js';
import { type ReadText, toolText } from './tool-text.js';

/** Bytes of netlink answers; the local routes are few. */
const ANSWER_BYTES = 16 << 20;
/** NFT_MSG_GETGEN (include/uapi/linux/netfilter/nf_tables.h); NFTA_GEN_ID. */
const GENERATION_REQUEST = {
  protocol: 12,
  type: (10 << 8) | 16,
  flags: 0,
  body: new Uint8Array(4),
};
const GEN_ID = 1;
const TABLES = 'tables of nftables';
const GENERATION = 'generation of nftables';
const ASKED = [
  { what: GENERATION, request: GENERATION_REQUEST },
  { what: TABLES, request: TABLES_REQUEST },
  dump('devices', RTM.getlink, AF.unspec),
  dump('IPv4 routes', RTM.getroute, AF.inet),
  dump('IPv6 routes', RTM.getroute, AF.inet6),
  dump('IPv4 rules', RTM.getrule, AF.inet),
  dump('IPv6 rules', RTM.getrule, AF.inet6),
];
const REQUESTS = ASKED.map(({ request }) => request);
const WHAT = ASKED.map(({ what }) => what);
/** A kernel without IPv6, or without nftables. */
const ABSENT = new Set(['EOPNOTSUPP', 'EAFNOSUPPORT', 'EINVAL']);
/** What shows whether ipset and IPVS are in use, beside the tables of the legacy back end. */
const FILES = [...LEGACY_FILES, '/proc/thread-self/net/ip_vs'];
const IP_VS = 2;
/** Lines that /proc/net/ip_vs has without a server. */
const IP_VS_HEAD = 3;

/** Of a namespace that is there no more. */
const GONE = 'ENOENT';

/** What was read, and a hash by which it is seen whether anything has changed. */
export interface ReadRules {
  readonly rules: NamespaceRules;
  readonly hash: string;
  /** Whether something can change without a change of the generation. */
  readonly isSilent: boolean;
  /** Texts that do not, by the command that printed them. */
  readonly steady: ReadonlyMap<string, ReadText>;
}

const NOT_READ: Readonly<Partial<Record<RuleText['tool'], string>>> = {
  ...{ ipset: 'SETS_NOT_READ', ipvs: 'IPVS_NOT_READ' },
};

/** What changes with the generation alone. */
const STEADY: ReadonlySet<RuleText['tool']> = new Set(['iptables-nft', 'nft-text', 'nft']);

/**
 * Reads the rules of a namespace, and only reads them; null where it has gone.
 *
 * @param known what was read in the same generation: of it only what has none is read again
 */
export async function readRules(
  { netns, path }: Pick<FoundNamespace, 'netns' | 'path'>,
  now: () => bigint,
  known: ReadRules | null = null,
): Promise<ReadRules | null> {
  const from = now();
  let state: NamespaceState;
  try {
    state = await askState(path);
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    if (error.code === GONE) return null;
    state = {
      ...{ generation: null, tables: [], network: null, hasIpvs: false, files: [] },
      problems: [{ code: 'RULES_NOT_READ', message: error.message, family: null }],
    };
  }
  const reading = new Reading(path, known?.steady ?? new Map());
  await reading.tables(state.tables);
  if (reading.texts.some(({ pieces }) => pieces.some((piece) => piece.includes('--match-set ')))) {
    await reading.tool('ipset', null, 'ipset', 'save');
  }
  if (state.hasIpvs) await reading.tool('ipvs', null, 'ipvsadm', '-Sn');
  const { texts } = reading;
  const problems = [...state.problems, ...reading.problems];
  return {
    rules: {
      ...{ netns, from: String(from), until: String(now()), texts },
      ...{ network: state.network, problems },
    },
    hash: reading.hash(state.network ?? ''),
    isSilent: texts.some(({ tool }) => !STEADY.has(tool)),
    steady: reading.steady,
  };
}

/** Texts of one namespace as they are read. */
class Reading {
  readonly texts: RuleText[] = [];
  readonly problems: RuleProblem[] = [];
  readonly steady = new Map<string, ReadText>();
  readonly #path: string;
  readonly #known: ReadonlyMap<string, ReadText>;
  readonly #digests: string[] = [];

  constructor(path: string, known: ReadonlyMap<string, ReadText>) {
    this.#path = path;
    this.#known = known;
  }

  hash(network: string): string {
    const hash = createHash('sha256').update(network);
    for (const digest of this.#digests) hash.update(digest);
    return hash.digest('hex');
  }

  async tables(tables: readonly FirewallTable[]): Promise<void> {
    for (const family of FAMILIES) {
      const own = tables.filter((table) => table.family === (family === 4 ? 'ip' : 'ip6'));
      const nft = own.filter(({ backEnd }) => backEnd === 'iptables-nft');
      if (nft.length > 0)
        await this.#iptables(
          family,
          nft.map(({ name }) => name),
        );
      if (!own.some(({ backEnd }) => backEnd === 'iptables-legacy')) continue;
      await this.tool('iptables-legacy', family, `${commandOf(family)}-legacy-save`);
    }
    for (const { backEnd, family, name } of tables) {
      if (backEnd === 'nft') await this.#nft(family, name);
    }
  }

  /** Tables that iptables keeps in nf_tables; one with anything else in it is read as nft's. */
  async #iptables(family: Family, names: readonly string[]): Promise<void> {
    const keys = new Map(names.map((name) => [name, `nf_tables ${commandOf(family)} ${name}`]));
    const wanted = names.filter((name) => !this.#known.has(keys.get(name) ?? ''));
    let read: ReadonlyMap<string, ReadText | null>;
    try {
      read = wanted.length === 0 ? new Map() : await readNftTables(this.#path, family, wanted);
    } catch (error) {
      this.#failed('iptables-nft', family, `tables of ${commandOf(family)}`, error);
      return;
    }
    for (const [name, key] of keys) {
      const text = this.#known.get(key) ?? read.get(name) ?? (await this.#saved(family, name));
      if (text === 'failed') continue;
      if (text === 'nft') await this.#nft(family === 4 ? 'ip' : 'ip6', name);
      else this.#add('iptables-nft', family, key, text);
    }
  }

  /** As its own tool writes it, which refuses what iptables has no form for. */
  async #saved(family: Family, name: string): Promise<ReadText | 'nft' | 'failed'> {
    const command = [`${commandOf(family)}-nft-save`, '-t', name];
    try {
      const text = await toolText(this.#path, command);
      return text.pieces.some((piece) => `\n${piece}\n`.includes(`\n*${name}\n`)) ? text : 'nft';
    } catch (error) {
      this.#failed('iptables-nft', family, command.join(' '), error);
      return 'failed';
    }
  }

  async #nft(family: string, name: string): Promise<void> {
    await this.tool('nft-text', null, 'nft', '-a', 'list', 'table', family, name);
    await this.tool('nft', null, 'nft', '-j', 'list', 'table', family, name);
  }

  async tool(
    tool: RuleText['tool'],
    family: Family | null,
    ...command: readonly string[]
  ): Promise<void> {
    const key = command.join(' ');
    try {
      this.#add(tool, family, key, this.#known.get(key) ?? (await toolText(this.#path, command)));
    } catch (error) {
      this.#failed(tool, family, key, error);
    }
  }

  #add(tool: RuleText['tool'], family: Family | null, key: string, read: ReadText): void {
    this.texts.push({ tool, family, pieces: read.pieces });
    this.#digests.push(read.digest);
    if (STEADY.has(tool)) this.steady.set(key, read);
  }

  #failed(tool: RuleText['tool'], family: Family | null, what: string, error: unknown): void {
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    this.problems.push({
      code: NOT_READ[tool] ?? 'RULES_NOT_READ',
      message: `${what}: ${why}`,
      family,
    });
  }
}

function commandOf(family: Family): string {
  return family === 4 ? 'iptables' : 'ip6tables';
}

/** What changes with most changes; reading it costs next to nothing. */
export interface RulesFingerprint {
  /** Of tables alone: while it is the same, what has a generation need not be read again. */
  readonly tables: string;
  /** Of tables and routes. */
  readonly all: string;
}

/** Null where the namespace has gone. */
export async function rulesFingerprint(path: string): Promise<RulesFingerprint | null> {
  try {
    const { generation, tables: found, network, files } = await askState(path);
    const tables = JSON.stringify([generation, found, files]);
    const hash = createHash('sha256').update(network ?? '');
    return { tables, all: `${tables} ${hash.digest('hex')}` };
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    // Reading it says what is wrong.
    return error.code === GONE ? null : { tables: error.code, all: error.code };
  }
}

/** The same of a namespace that is described; without rules where it has none. */
export async function readRulesOf({ netns, path }: NamespaceDescription): Promise<NamespaceRules> {
  const read = await readRules({ netns, path }, process.hrtime.bigint);
  const nothing = { netns, from: '0', until: '0', texts: [], network: null, problems: [] };
  return read?.rules ?? nothing;
}

interface NamespaceState {
  readonly problems: readonly RuleProblem[];
  /** Changes with each change of nftables; null where there is none. */
  readonly generation: number | null;
  readonly tables: readonly FirewallTable[];
  /** Null where it could not be read. */
  readonly network: string | null;
  readonly hasIpvs: boolean;
  readonly files: readonly string[];
}

async function askState(path: string): Promise<NamespaceState> {
  const problems: RuleProblem[] = [];
  const { answers, files } = await askNamespace(path, REQUESTS, FILES, ANSWER_BYTES);
  const parts = answers.map(({ code, data, interrupted }, i) => {
    const what = WHAT[i] ?? '';
    if (interrupted) problems.push(notRead(what, 'it changed meanwhile'));
    else if (code !== null && !ABSENT.has(code)) problems.push(notRead(what, code));
    return data;
  });
  const decode = <T>(index: number, decoder: (data: Uint8Array) => T, none: T): T => {
    try {
      return decoder(parts[index] ?? new Uint8Array());
    } catch (error) {
      if (!(error instanceof HopscopeError)) throw error;
      problems.push(notRead(WHAT[index] ?? '', error.message));
      return none;
    }
  };
  const texts = files.map(({ data }) => Buffer.from(data).toString());
  const network = networkText({
    links: decode(2, decodeLinks, []).map(({ ifindex, name }) => ({ ifindex, name })),
    routes: [
      ...decode(3, (data) => decodeRoutes(data, 4).routes, []),
      ...decode(4, (data) => decodeRoutes(data, 6).routes, []),
    ],
    rules: [...decode(5, decodeRules, []), ...decode(6, decodeRules, [])],
  });
  const legacy = texts.slice(0, LEGACY_FILES.length);
  return {
    generation: decode(0, generationOf, null),
    tables: decode(1, (data) => tablesOf(data, legacy, true), []),
    network: problems.some(({ code }) => code === 'ROUTES_NOT_READ') ? null : network,
    hasIpvs: (texts[IP_VS] ?? '').trim().split('\n').length > IP_VS_HEAD,
    ...{ files: texts, problems },
  };
}

function notRead(what: string, why: string): RuleProblem {
  const code = what === TABLES || what === GENERATION ? 'RULES_NOT_READ' : 'ROUTES_NOT_READ';
  return { code, message: `${what}: ${why}`, family: null };
}

function generationOf(data: Uint8Array): number | null {
  for (const { body } of messagesOf(data)) {
    requireBytes(body, NFGENMSG);
    return be32(attributesOf(body, NFGENMSG), GEN_ID);
  }
  return null;
}
