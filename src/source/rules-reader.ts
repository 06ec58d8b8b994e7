import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { BpfError } from 'ebpf-ts';
import { HopscopeError } from '../model/errors.js';
import { decodeLinks } from '../network/decode-links.js';
import { decodeRoutes } from '../network/decode-routes.js';
import { decodeRules } from '../network/decode-rules.js';
import type { NamespaceDescription } from '../network/description.js';
import type { Family } from '../network/ip-address.js';
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

/** Bytes of rules taken from one namespace; 100,000 rules of kube-proxy have some 20 MB. */
export const TEXT_LIMIT = 128 << 20;
const TIMEOUT_MS = 30_000;
/** Bytes of netlink answers; the local routes are few. */
const ANSWER_BYTES = 16 << 20;
/** NFT_MSG_GETGEN (include/uapi/linux/netfilter/nf_tables.h); NFTA_GEN_ID. */
const GENERATION_REQUEST = {
  protocol: 12,
  type: (10 << 8) | 16,
  flags: 0,
  body: new Uint8Array(4),
};
/** What changes by itself: counters, times that run, and when the text was made. */
const PASSING =
  /^#.*$|\[\d+:\d+\]| timeout \d+| packets \d+ bytes \d+|"(?:packets|bytes|expires)": \d+/gmu;
const GEN_ID = 1;
const REQUESTS = [
  GENERATION_REQUEST,
  TABLES_REQUEST,
  dump('devices', RTM.getlink, AF.unspec).request,
  dump('IPv4 routes', RTM.getroute, AF.inet).request,
  dump('IPv6 routes', RTM.getroute, AF.inet6).request,
  dump('IPv4 rules', RTM.getrule, AF.inet).request,
  dump('IPv6 rules', RTM.getrule, AF.inet6).request,
];
/** What shows whether ipset and IPVS are in use, beside the tables of the legacy back end. */
const FILES = [...LEGACY_FILES, '/proc/thread-self/net/ip_vs'];
const IP_VS = 2;
/** Lines that /proc/net/ip_vs has without a server. */
const IP_VS_HEAD = 3;

/** What was read, and a hash by which it is seen whether anything has changed. */
export interface ReadRules {
  readonly rules: NamespaceRules;
  readonly hash: string;
  /** Whether something can change without a change of the generation. */
  readonly isSilent: boolean;
  /** Texts that do not, by the command that printed them. */
  readonly steady: ReadonlyMap<string, ReadText>;
}

interface ReadText {
  readonly pieces: readonly string[];
  readonly digest: string;
}

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
    if (error instanceof BpfError || error instanceof HopscopeError) return null;
    throw error;
  }
  const hash = createHash('sha256').update(state.network);
  const problems: RuleProblem[] = [];
  const texts: RuleText[] = [];
  const steady = new Map<string, ReadText>();
  const add = async (
    tool: RuleText['tool'],
    family: Family | null,
    ...command: readonly string[]
  ): Promise<void> => {
    try {
      const key = command.join(' ');
      const read = known?.steady.get(key) ?? (await piecesOf(path, command));
      texts.push({ tool, family, pieces: read.pieces });
      hash.update(read.digest);
      if (STEADY.has(tool)) steady.set(key, read);
    } catch (error) {
      const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      problems.push({ code: 'RULES_NOT_READ', message: `${command.join(' ')}: ${why}` });
    }
  };
  for (const [tool, family] of toolsOf(state.tables)) {
    await add(tool, family, `${family === 4 ? 'ip' : 'ip6'}tables-${toolSuffix(tool)}-save`);
  }
  for (const { family, name } of state.tables.filter(({ backEnd }) => backEnd === 'nft')) {
    await add('nft-text', null, 'nft', '-a', 'list', 'table', family, name);
    await add('nft', null, 'nft', '-j', 'list', 'table', family, name);
  }
  if (texts.some(({ pieces }) => pieces.some((piece) => piece.includes('--match-set ')))) {
    await add('ipset', null, 'ipset', 'save');
  }
  if (state.hasIpvs) await add('ipvs', null, 'ipvsadm', '-Sn');
  return {
    rules: {
      ...{
        netns,
        from: String(from),
        until: String(now()),
        texts,
        network: state.network,
        problems,
      },
    },
    hash: hash.digest('hex'),
    isSilent: texts.some(({ tool }) => !STEADY.has(tool)),
    steady,
  };
}

/**
 * What changes with most changes of the rules; reading it costs next to nothing. Null where the namespace has gone.
 */
export async function rulesFingerprint(path: string): Promise<string | null> {
  try {
    const { answers, files } = await askNamespace(path, REQUESTS.slice(0, 2), FILES, ANSWER_BYTES);
    const [generation, tables] = answers.map(({ data }) => data);
    const texts = files.map(({ data }) => Buffer.from(data).toString());
    const nothing = new Uint8Array();
    return JSON.stringify([
      generationOf(generation ?? nothing),
      tablesOf(tables ?? nothing, []),
      texts,
    ]);
  } catch (error) {
    if (error instanceof BpfError || error instanceof HopscopeError) return null;
    throw error;
  }
}

/** The same of a namespace that is described; without rules where it has none. */
export async function readRulesOf({ netns, path }: NamespaceDescription): Promise<NamespaceRules> {
  const read = await readRules({ netns, path }, process.hrtime.bigint);
  const nothing = { netns, from: '0', until: '0', texts: [], network: null, problems: [] };
  return read?.rules ?? nothing;
}

interface NamespaceState {
  /** Changes with each change of nftables; null where there is none. */
  readonly generation: number | null;
  readonly tables: readonly FirewallTable[];
  readonly network: string;
  readonly hasIpvs: boolean;
}

async function askState(path: string): Promise<NamespaceState> {
  const { answers, files } = await askNamespace(path, REQUESTS, FILES, ANSWER_BYTES);
  const [generation, tables, links, routes4, routes6, rules4, rules6] = answers.map(
    ({ data }) => data,
  );
  const texts = files.map(({ data }) => Buffer.from(data).toString());
  const nothing = new Uint8Array();
  const network = networkText({
    links: decodeLinks(links ?? nothing).map(({ ifindex, name }) => ({ ifindex, name })),
    routes: [
      ...decodeRoutes(routes4 ?? nothing, 4).routes,
      ...decodeRoutes(routes6 ?? nothing, 6).routes,
    ],
    rules: [...decodeRules(rules4 ?? nothing), ...decodeRules(rules6 ?? nothing)],
  });
  return {
    generation: generationOf(generation ?? nothing),
    tables: tablesOf(tables ?? nothing, texts.slice(0, LEGACY_FILES.length), true),
    network,
    hasIpvs: (texts[IP_VS] ?? '').trim().split('\n').length > IP_VS_HEAD,
  };
}

function generationOf(data: Uint8Array): number | null {
  for (const { body } of messagesOf(data)) {
    requireBytes(body, NFGENMSG);
    return be32(attributesOf(body, NFGENMSG), GEN_ID);
  }
  return null;
}

function toolsOf(
  tables: readonly FirewallTable[],
): (readonly ['iptables-nft' | 'iptables-legacy', Family])[] {
  const found = new Map<string, readonly ['iptables-nft' | 'iptables-legacy', Family]>();
  for (const { backEnd, family } of tables) {
    if (backEnd === 'nft') continue;
    found.set(`${backEnd} ${family}`, [backEnd, family === 'ip6' ? 6 : 4]);
  }
  return [...found.values()];
}

function toolSuffix(tool: 'iptables-nft' | 'iptables-legacy'): string {
  return tool === 'iptables-nft' ? 'nft' : 'legacy';
}

/** Standard output of a command in a namespace, in pieces that end where a line does. */
function piecesOf(path: string, command: readonly string[]): Promise<ReadText> {
  return new Promise((resolve, reject) => {
    const child = spawn('nsenter', [`--net=${path}`, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
    });
    const pieces: string[] = [];
    const hash = createHash('sha256');
    const take = (piece: string, end = '\n'): void => {
      // By its lines, for where it comes in two is another place each time.
      hash.update(`${piece.replace(PASSING, '')}${end}`);
      pieces.push(piece);
    };
    let rest = '';
    let bytes = 0;
    let said = '';
    child.stdout.setEncoding('utf8');
    child.stderr.setEncoding('utf8');
    child.stdout.on('data', (chunk: string) => {
      bytes += chunk.length;
      if (bytes > TEXT_LIMIT) {
        child.kill('SIGKILL');
        return;
      }
      const end = chunk.lastIndexOf('\n');
      if (end < 0) {
        // JSON has no lines: it is cut where an object begins.
        const cut = chunk.lastIndexOf(', {"');
        if (cut < 0) rest += chunk;
        else {
          take(rest + chunk.slice(0, cut), '');
          rest = chunk.slice(cut);
        }
        return;
      }
      take(rest + chunk.slice(0, end));
      rest = chunk.slice(end + 1);
    });
    child.stderr.on('data', (chunk: string) => {
      if (said.length < 1_024) said += chunk;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (bytes > TEXT_LIMIT) reject(new Error(`more than ${TEXT_LIMIT} bytes`));
      else if (code !== 0) reject(new Error(said.trim() || `ended with ${code ?? signal}`));
      else {
        if (rest !== '') take(rest);
        resolve({ pieces, digest: hash.digest('hex') });
      }
    });
  });
}
