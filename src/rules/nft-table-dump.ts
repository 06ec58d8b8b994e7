/** Tables of iptables in nf_tables, from the kernel's own dumps. */
import type { Family } from '../network/ip-address.js';
import { NFGENMSG } from '../network/netlink-message.js';
import { NftAttributes } from './nft-attributes.js';

/** struct nlmsghdr. */
const HEADER = 16;
/** NFT_MSG_GETCHAIN, NFT_MSG_GETRULE and the like of include/uapi/linux/netfilter/nf_tables.h. */
const SUBSYSTEM = 10 << 8;
const GET = { chain: SUBSYSTEM | 4, rule: SUBSYSTEM | 7 } as const;
const NEW_CHAIN = SUBSYSTEM | 3;
const NEW_RULE = SUBSYSTEM | 6;
const CHAIN = { table: 1, name: 3, hook: 4, policy: 5, type: 7 } as const;
const HOOK = { number: 1, priority: 2 } as const;
const NFPROTO: Readonly<Record<Family, number>> = { 4: 2, 6: 10 };
const NETFILTER = 12;
const DUMP = 0x300;
/** What iptables itself makes, by the number of the hook. */
const BASES = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'];
const PRIORITIES: Readonly<Record<string, number>> = {
  ...{ raw: -300, mangle: -150, nat: -100, filter: 0, security: 50 },
};
const SOURCE_NAT = 100;
/** IPSET_CMD_LIST of include/uapi/linux/netfilter/ipset/ip_set.h, with IPSET_FLAG_LIST_HEADER. */
const SET_LIST = (6 << 8) | 7;
const SET = { protocol: 1, name: 2, flags: 6, index: 11 } as const;
const SET_PROTOCOL = 7;
const LIST_HEADER = 1 << 2;

export interface DumpedChain {
  readonly table: string;
  readonly name: string;
  /** `-` for one that others jump to. */
  readonly policy: 'ACCEPT' | 'DROP' | '-';
  /** Whether it is one that iptables would make. */
  readonly isUsual: boolean;
}

interface Request {
  readonly protocol: number;
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

function request(type: number, family: number, ...attributes: readonly Buffer[]): Request {
  const body = Buffer.concat([Buffer.from([family, 0, 0, 0]), ...attributes]);
  return { protocol: NETFILTER, type, flags: DUMP, body };
}

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc((4 + value.length + 3) & ~3);
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

export function chainsRequest(family: Family): Request {
  return request(GET.chain, NFPROTO[family]);
}

/** All rules of one chain. */
export function rulesRequest(family: Family, table: string, chain: string): Request {
  const names = [table, chain].map((name) => Buffer.from(`${name}\0`));
  return request(
    GET.rule,
    NFPROTO[family],
    ...names.map((name, index) => attribute(index + 1, name)),
  );
}

/** Names and numbers of all sets, without what is in them. */
export function setsRequest(): Request {
  const flags = Buffer.alloc(4);
  flags.writeUInt32BE(LIST_HEADER);
  return request(
    SET_LIST,
    0,
    attribute(SET.protocol, Buffer.from([SET_PROTOCOL])),
    attribute(SET.flags, flags),
  );
}

/** Where the attributes of each message of a type begin and end. Errors: RangeError where one is cut. */
function* messages(data: Buffer, wanted: number): Generator<readonly [from: number, end: number]> {
  for (let at = 0; at < data.length; ) {
    const length = at + HEADER > data.length ? 0 : data.readUInt32LE(at);
    if (length < HEADER + NFGENMSG || at + length > data.length) {
      throw new RangeError(`a message of ${length} bytes`);
    }
    if (data.readUInt16LE(at + 4) === wanted) yield [at + HEADER + NFGENMSG, at + length];
    at += (length + 3) & ~3;
  }
}

/** @throws RangeError */
export function* chainsOf(data: Buffer): Generator<DumpedChain> {
  const chain = new NftAttributes();
  const hook = new NftAttributes();
  for (const [from, end] of messages(data, NEW_CHAIN)) {
    chain.read(data, from, end);
    const table = chain.text(CHAIN.table);
    const name = chain.text(CHAIN.name);
    if (table === null || name === null) continue;
    if (!chain.has(CHAIN.hook)) {
      yield { table, name, policy: '-', isUsual: true };
      continue;
    }
    hook.read(data, chain.start(CHAIN.hook), chain.end(CHAIN.hook));
    const number = hook.be32(HOOK.number) ?? -1;
    const priority = (hook.be32(HOOK.priority) ?? 0) | 0;
    const isSource = table === 'nat' && (number === 1 || number === 4);
    const usual = isSource ? SOURCE_NAT : PRIORITIES[table];
    const isNat = chain.text(CHAIN.type) === 'nat';
    yield {
      ...{ table, name, policy: chain.be32(CHAIN.policy) === 0 ? 'DROP' : 'ACCEPT' },
      isUsual: BASES[number] === name && priority === usual && isNat === (table === 'nat'),
    };
  }
}

/** Where the attributes of each rule begin and end. Errors: RangeError. */
export function ruleMessages(data: Buffer): Generator<readonly [from: number, end: number]> {
  return messages(data, NEW_RULE);
}

/** @throws RangeError */
export function setNamesOf(data: Buffer): Map<number, string> {
  const names = new Map<number, string>();
  const set = new NftAttributes();
  for (const [from, end] of messages(data, SET_LIST)) {
    set.read(data, from, end);
    const [index, name] = [set.be16(SET.index), set.text(SET.name)];
    if (index !== null && name !== null) names.set(index, name);
  }
  return names;
}
