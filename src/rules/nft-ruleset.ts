/** Tables of nftables, from what `nft -j list table` prints. */
import { HOOK_NAMES } from '../name/netfilter-table.js';
import type { BaseChain, Chain, Rule, Table } from './model.js';
import { isObject, type Json, objectTexts } from './nft-json.js';
import { stepsOf } from './nft-rule.js';
import { LazyRules } from './rule-list.js';
import { RuleRoom } from './rule-room.js';

const FAMILIES: Readonly<Record<string, Table['family']>> = {
  ip: 'ipv4',
  ip6: 'ipv6',
  inet: 'inet',
};
/** nat has places of its own, whatever priority its chains have (net/netfilter/nf_nat_proto.c). */
const DESTINATION_NAT = -100;
const SOURCE_NAT = 100;
/** Objects between two pauses. */
const PART = 64;

interface ReadChain {
  readonly base: BaseChain | null;
  readonly rules: string[];
  isCut: boolean;
}

interface ReadTable {
  readonly family: Table['family'];
  readonly name: string;
  readonly chains: Map<string, ReadChain>;
  readonly sets: Map<string, readonly unknown[] | null>;
}

/**
 * @param texts of rules by their handles, as nft itself writes them
 * @throws SyntaxError
 */
export function* parseNft(
  json: string,
  texts: ReadonlyMap<number, string>,
  room = new RuleRoom(),
): Generator<void, Table[]> {
  const tables = new Map<string, ReadTable>();
  let left = PART;
  for (const text of objectTexts(json)) {
    addObject(tables, text, room);
    left -= 1;
    if (left > 0) continue;
    left = PART;
    yield;
  }
  return [...tables.values()].map((table) => finished(table, texts));
}

function addObject(tables: Map<string, ReadTable>, text: string, room: RuleRoom): void {
  if (/^\{\s*"rule"/u.test(text)) {
    const { family, table, chain } = headOf(text);
    const own = tables.get(`${family} ${table}`)?.chains.get(chain);
    if (own === undefined) return;
    if (room.take()) own.rules.push(text);
    else own.isCut = true;
    return;
  }
  const parsed: unknown = JSON.parse(text);
  if (!isObject(parsed)) return;
  const { table, chain } = parsed;
  const set = parsed['set'] ?? parsed['map'];
  if (isObject(table)) {
    const family = FAMILIES[String(table['family'])];
    const name = String(table['name']);
    if (family === undefined) return;
    tables.set(`${table['family']} ${name}`, { family, name, chains: new Map(), sets: new Map() });
  } else if (isObject(chain)) {
    const read = { base: baseOf(chain), rules: [], isCut: false };
    tableOf(tables, chain)?.chains.set(String(chain['name']), read);
  } else if (isObject(set)) {
    tableOf(tables, set)?.sets.set(String(set['name']), elementsOf(set));
  }
}

/** Of a rule only whose it is: the rest is for when a packet comes by. */
function headOf(text: string): { family: string; table: string; chain: string } {
  const found =
    /^\{"rule": ?\{"family": ?"([^"]*)", ?"table": ?"((?:[^"\\]|\\.)*)", ?"chain": ?"((?:[^"\\]|\\.)*)"/u.exec(
      text,
    );
  if (found !== null)
    return { family: found[1] ?? '', table: found[2] ?? '', chain: found[3] ?? '' };
  const parsed: unknown = JSON.parse(text);
  const rule = isObject(parsed) && isObject(parsed['rule']) ? parsed['rule'] : {};
  const { family, table, chain } = rule;
  return { family: String(family), table: String(table), chain: String(chain) };
}

function tableOf(tables: Map<string, ReadTable>, { family, table }: Json): ReadTable | undefined {
  return tables.get(`${family} ${table}`);
}

/** Null for a set that packets add to: what it held at a time is not known. */
function elementsOf({ elem, flags }: Json): readonly unknown[] | null {
  const isChanging =
    Array.isArray(flags) && (flags.includes('timeout') || flags.includes('dynamic'));
  if (isChanging) return null;
  return Array.isArray(elem) ? elem : [];
}

function baseOf({ hook, prio, type, policy }: Json): BaseChain | null {
  const known = HOOK_NAMES.find((name) => name === hook);
  if (known === undefined || typeof prio !== 'number') return null;
  const isNat = type === 'nat';
  const isSource = known === 'postrouting' || known === 'input';
  const priority = isNat ? (isSource ? SOURCE_NAT : DESTINATION_NAT) : prio;
  return { hook: known, priority, isNat, policy: policy === 'drop' ? 'drop' : 'accept' };
}

function finished(
  { family, name, chains: read, sets }: ReadTable,
  texts: ReadonlyMap<number, string>,
): Table {
  const compile = (text: string, position: number): Rule => {
    const parsed: unknown = JSON.parse(text);
    const rule = isObject(parsed) && isObject(parsed['rule']) ? parsed['rule'] : {};
    const { handle, comment, expr } = rule;
    const statements = Array.isArray(expr) ? expr : [];
    const number = typeof handle === 'number' ? handle : null;
    return {
      text: (number === null ? undefined : texts.get(number)) ?? JSON.stringify(statements),
      position,
      handle: number,
      comment: typeof comment === 'string' ? comment : null,
      steps: stepsOf(statements, (set) => sets.get(set) ?? null),
    };
  };
  const chains = new Map<string, Chain>();
  for (const [chain, { base, rules, isCut }] of read) {
    chains.set(chain, { name: chain, base, rules: new LazyRules(rules, compile, []), isCut });
  }
  const bases = [...chains.values()].filter((chain) => chain.base !== null);
  return { backEnd: 'nft', family, name, chains, bases };
}

const WITH_HANDLE = /^\t\t(.*) # handle (\d+)$/u;

/** Rules by their handles, in what `nft -a list table` prints. */
export function* ruleTexts(pieces: readonly string[]): Generator<void, Map<number, string>> {
  const texts = new Map<number, string>();
  for (const piece of pieces) {
    for (const line of piece.split('\n')) {
      const [, text, handle] = WITH_HANDLE.exec(line) ?? [];
      if (text !== undefined) texts.set(Number(handle), text);
    }
    yield;
  }
  return texts;
}
