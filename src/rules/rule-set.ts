import type { Hook } from 'hopscope-protocol';
import type { Family } from '../network/ip-address.js';
import { type IpSet, IpSetParser } from './ip-set.js';
import { IptablesSaveParser } from './iptables-save.js';
import { parseIpvs, type VirtualServices } from './ipvs.js';
import type { RegisteredChain } from './met.js';
import type { Table } from './model.js';
import { localOf, type ReadNetwork, readNetworkText } from './network-text.js';
import { parseNft, ruleTexts } from './nft-ruleset.js';
import type { Surroundings } from './packet.js';
import type { NamespaceRules, RuleProblem, RuleText } from './rule-text.js';

/** Rules of one namespace that are kept; those past it are left out, which is a problem. */
export const RULES_LIMIT = 500_000;

const FAMILIES: Readonly<Record<Family, readonly Table['family'][]>> = {
  4: ['ipv4', 'inet'],
  6: ['ipv6', 'inet'],
};

/** The rules of a namespace, ready to be asked. */
export class RuleSet {
  readonly netns: number;
  readonly tables: readonly Table[];
  readonly around: Surroundings;
  readonly problems: readonly RuleProblem[];
  readonly network: ReadNetwork | null;
  readonly ipvs: VirtualServices;
  readonly #registered = new Map<string, readonly RegisteredChain[]>();

  constructor(
    netns: number,
    tables: readonly Table[],
    around: Surroundings,
    problems: readonly RuleProblem[],
    network: ReadNetwork | null = null,
    ipvs: VirtualServices = new Map(),
  ) {
    this.network = network;
    this.ipvs = ipvs;
    this.netns = netns;
    this.tables = tables;
    this.around = around;
    this.problems = problems;
  }

  /** The base chains at a hook, in the order in which packets come to them. */
  registered(family: Family, hook: Hook): readonly RegisteredChain[] {
    const key = `${family} ${hook}`;
    const known = this.#registered.get(key);
    if (known !== undefined) return known;
    const found = this.tables
      .filter((table) => FAMILIES[family].includes(table.family))
      .flatMap((table) => table.bases.map((chain) => ({ table, chain })))
      .filter(({ chain }) => chain.base?.hook === hook)
      .sort((a, b) => (a.chain.base?.priority ?? 0) - (b.chain.base?.priority ?? 0));
    this.#registered.set(key, found);
    return found;
  }
}

/** Understands the rules of a namespace, a piece of text at a time: between two, other work may be done. */
export function* parseRules(read: NamespaceRules): Generator<void, RuleSet> {
  const tables: Table[] = [];
  const problems: RuleProblem[] = [...read.problems];
  const sets = new Map<string, IpSet>();
  let texts: ReadonlyMap<number, string> = new Map();
  for (const text of read.texts) {
    try {
      if (text.tool === 'nft-text') texts = yield* ruleTexts(text.pieces);
      else if (text.tool === 'nft') tables.push(...(yield* parseNft(text.pieces.join(''), texts)));
      else yield* parseText(text, tables, sets);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      problems.push({ code: 'RULES_NOT_UNDERSTOOD', message: `${text.tool}: ${message}` });
    }
  }
  const network = read.network === null ? null : readNetworkText(read.network);
  const around = { ...localOf(network), sets };
  const ipvs = parseIpvs(read.texts.flatMap((text) => (text.tool === 'ipvs' ? text.pieces : [])));
  return new RuleSet(read.netns, tables, around, problems, network, ipvs);
}

function* parseText(
  { tool, family, pieces }: RuleText,
  tables: Table[],
  sets: Map<string, IpSet>,
): Generator<void, void> {
  if (tool === 'ipset') {
    const parser = new IpSetParser();
    for (const piece of pieces) {
      parser.add(piece);
      yield;
    }
    for (const [name, set] of parser.end()) sets.set(name, set);
    return;
  }
  if (tool !== 'iptables-nft' && tool !== 'iptables-legacy') return;
  const parser = new IptablesSaveParser(family ?? 4, tool);
  for (const piece of pieces) {
    parser.add(piece);
    yield;
  }
  tables.push(...(yield* parser.end()));
}
