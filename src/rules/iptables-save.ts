/** What `iptables-save` and its kin print: one table after the other, a chain or a rule a line. */
import type { Hook } from 'hopscope-protocol';
import type { Family } from '../network/ip-address.js';
import { type Address, parseAddress } from './address.js';
import { matchOf } from './iptables-match.js';
import { targetSteps } from './iptables-target.js';
import { groupWords, wordsOf } from './iptables-words.js';
import type { BackEnd, BaseChain, Chain, Rule, Step, Table } from './model.js';
import { INDEX_FROM, LazyRules } from './rule-list.js';
import { RuleRoom } from './rule-room.js';

const HOOKS: Readonly<Record<string, Hook>> = {
  ...{ PREROUTING: 'prerouting', INPUT: 'input', FORWARD: 'forward' },
  ...{ OUTPUT: 'output', POSTROUTING: 'postrouting' },
};
/** enum nf_ip_hook_priorities; nat has another one where it changes the source. */
const PRIORITIES: Readonly<Record<string, number>> = {
  ...{ raw: -300, mangle: -150, nat: -100, filter: 0, security: 50 },
};
const SOURCE_NAT = 100;
const DESTINATION = /(?<!! )-d ([0-9a-fA-F.:]+)(?:\/(?:32|128))? /u;
/** Rules between two pauses. */
const PART = 512;
const COUNTERS = /^\[\d+:\d+\] /u;
const APPENDED = /^-A (\S+)/u;

/** Reads what comes in pieces, each of which ends where a line does. */
export class IptablesSaveParser {
  readonly #family: Family;
  readonly #backEnd: BackEnd;
  readonly #room: RuleRoom;
  readonly #tables = new Map<string, Map<string, ChainText>>();
  #table: Map<string, ChainText> | null = null;

  constructor(family: Family, backEnd: BackEnd, room = new RuleRoom()) {
    this.#family = family;
    this.#backEnd = backEnd;
    this.#room = room;
  }

  add(piece: string): void {
    for (const line of piece.split('\n')) this.#line(line);
  }

  *end(): Generator<void, Table[]> {
    const tables: Table[] = [];
    for (const [name, texts] of this.#tables) tables.push(yield* this.#makeTable(name, texts));
    return tables;
  }

  #line(raw: string): void {
    const line = raw.charCodeAt(0) === 0x5b ? raw.replace(COUNTERS, '') : raw;
    if (line.startsWith('*')) {
      this.#table = new Map();
      this.#tables.set(line.slice(1).trim(), this.#table);
    } else if (line.startsWith(':')) {
      const [name = '', policy = ''] = line.slice(1).split(' ');
      this.#table?.set(name, { policy, rules: [], isCut: false });
    } else if (line.startsWith('-A ')) {
      const name = APPENDED.exec(line)?.[1] ?? '';
      const chain = this.#table?.get(name);
      if (chain === undefined) return;
      if (this.#room.take()) chain.rules.push(line);
      else chain.isCut = true;
    }
  }

  *#makeTable(name: string, texts: ReadonlyMap<string, ChainText>): Generator<void, Table> {
    const chains = new Map<string, Chain>();
    const bases: Chain[] = [];
    let left = PART;
    const isChain = (target: string): boolean => texts.has(target);
    const compile = (text: string, position: number): Rule =>
      parseRule(text, position, this.#family, isChain);
    for (const [chain, { policy, rules, isCut }] of texts) {
      // The nft back end names chains that it has not made: nothing is met in one without rules.
      const isNothing = policy === '-' || (policy === 'ACCEPT' && rules.length === 0 && !isCut);
      const base = isNothing ? null : baseOf(name, chain, policy);
      const made: Chain = {
        name: chain,
        base,
        rules: new LazyRules(rules, compile, yield* destinationsOf(rules)),
        isCut,
      };
      chains.set(chain, made);
      if (base !== null) bases.push(made);
      left -= rules.length + 1;
      if (left > 0) continue;
      left = PART;
      yield;
    }
    const family = this.#family === 4 ? 'ipv4' : 'ipv6';
    return { backEnd: this.#backEnd, family, name, chains, bases };
  }
}

interface ChainText {
  readonly policy: string;
  readonly rules: string[];
  isCut: boolean;
}

function baseOf(table: string, chain: string, policy: string): BaseChain | null {
  const hook = HOOKS[chain];
  const usual = PRIORITIES[table];
  if (hook === undefined || usual === undefined) return null;
  const isNat = table === 'nat';
  const isSource = isNat && (hook === 'input' || hook === 'postrouting');
  return {
    ...{ hook, isNat, priority: isSource ? SOURCE_NAT : usual },
    policy: policy === 'DROP' ? 'drop' : 'accept',
  };
}

function* destinationsOf(rules: readonly string[]): Generator<void, (Address | null)[]> {
  if (rules.length < INDEX_FROM) return [];
  const destinations: (Address | null)[] = [];
  for (const [index, rule] of rules.entries()) {
    destinations.push(destinationOf(rule));
    if (index % PART === PART - 1) yield;
  }
  return destinations;
}

function destinationOf(text: string): Address | null {
  const found = DESTINATION.exec(text);
  return found === null ? null : parseAddress(found[1] ?? '');
}

function parseRule(
  text: string,
  position: number,
  family: Family,
  isChain: (name: string) => boolean,
): Rule {
  const { matches, target } = groupWords(wordsOf(text).slice(2));
  const steps: Step[] = [];
  for (const group of matches) {
    if (group.options.length === 0 && group.module === '') continue;
    const what = group.module === '' ? 'addresses' : `match ${group.module}`;
    steps.push({ kind: 'match', test: matchOf(group, family), what });
  }
  steps.push(...targetSteps(target, family, isChain));
  const comments = matches
    .filter(({ module }) => module === 'comment')
    .flatMap(({ options }) => options.flatMap(({ values }) => values));
  return {
    ...{ text, position, handle: null, steps },
    comment: comments.length === 0 ? null : comments.map((text) => text.trim()).join('; '),
  };
}
