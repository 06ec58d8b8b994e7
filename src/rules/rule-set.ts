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
import { RuleCounters } from './rule-counters.js';
import { RULES_LIMIT, RuleRoom } from './rule-room.js';
import type { NamespaceRules, RuleProblem, RuleText } from './rule-text.js';

const FAMILIES: Readonly<Record<Family, readonly Table['family'][]>> = {
  4: ['ipv4', 'inet'],
  6: ['ipv6', 'inet'],
};

/** Problems by which a whole table may be missing. */
const TABLES_MISSING: ReadonlySet<string> = new Set(['RULES_NOT_READ', 'RULES_NOT_UNDERSTOOD']);

/** The rules of a namespace, ready to be asked. */
export class RuleSet {
  readonly netns: number;
  readonly tables: readonly Table[];
  readonly around: Surroundings;
  readonly problems: readonly RuleProblem[];
  readonly network: ReadNetwork | null;
  readonly ipvs: VirtualServices;
  readonly #registered = new Map<string, readonly RegisteredChain[]>();
  /** Shared with other rule sets. */
  readonly counters: RuleCounters;

  constructor(
    netns: number,
    tables: readonly Table[],
    around: Surroundings,
    problems: readonly RuleProblem[],
    network: ReadNetwork | null = null,
    ipvs: VirtualServices = new Map(),
    counters = new RuleCounters(),
  ) {
    this.counters = counters;
    this.network = network;
    this.ipvs = ipvs;
    this.netns = netns;
    this.tables = tables;
    this.around = around;
    this.problems = problems;
  }

  /** Whether every table that a packet may meet was read and understood. */
  isWhole(family: Family): boolean {
    return !this.problems.some(
      (problem) =>
        TABLES_MISSING.has(problem.code) && (problem.family === null || problem.family === family),
    );
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
export function* parseRules(
  read: NamespaceRules,
  counters = new RuleCounters(),
  room = new RuleRoom(),
): Generator<void, RuleSet> {
  const tables: Table[] = [];
  const problems: RuleProblem[] = [...read.problems];
  const sets = new Map<string, IpSet>();
  let texts: ReadonlyMap<number, string> = new Map();
  for (const text of read.texts) {
    try {
      if (text.tool === 'nft-text') texts = yield* ruleTexts(text.pieces);
      else if (text.tool === 'nft')
        tables.push(...(yield* parseNft(text.pieces.join(''), texts, room)));
      else yield* parseText(text, tables, sets, room);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const { tool, family } = text;
      problems.push({ code: 'RULES_NOT_UNDERSTOOD', message: `${tool}: ${message}`, family });
    }
  }
  if (room.leftOut > 0) {
    counters.leftOut += room.leftOut;
    const message = `${room.leftOut} rules past ${RULES_LIMIT} were left out`;
    problems.push({ code: 'RULES_TOO_MANY', message, family: null });
  }
  const network = read.network === null ? null : readNetworkText(read.network);
  const around = { ...localOf(network), sets };
  const ipvs = parseIpvs(read.texts.flatMap((text) => (text.tool === 'ipvs' ? text.pieces : [])));
  return new RuleSet(read.netns, tables, around, problems, network, ipvs, counters);
}

function* parseText(
  { tool, family, pieces }: RuleText,
  tables: Table[],
  sets: Map<string, IpSet>,
  room: RuleRoom,
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
  const parser = new IptablesSaveParser(family ?? 4, tool, room);
  for (const piece of pieces) {
    parser.add(piece);
    yield;
  }
  tables.push(...(yield* parser.end()));
}
