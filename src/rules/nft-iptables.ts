/** Rules that iptables keeps in nf_tables, as `iptables-nft-save` writes them: from the kernel's own form. */
import type { Family } from '../network/ip-address.js';
import { NftAttributes } from './nft-attributes.js';
import { NativeMatches } from './nft-native-match.js';
import { Blob, quoted } from './xt-blob.js';
import { matchText, type SetNames } from './xt-match.js';
import { targetText } from './xt-target.js';

/** NFTA_RULE_*, NFTA_EXPR_*, NFTA_DATA_* and the like of include/uapi/linux/netfilter/nf_tables.h. */
const RULE = { chain: 2, expressions: 4, userdata: 7 } as const;
const EXPR = { name: 1, data: 2 } as const;
const XT = { name: 1, revision: 2, info: 3 } as const;
const IMMEDIATE = { register: 1, data: 2 } as const;
const DATA = { value: 1, verdict: 2 } as const;
const VERDICT = { code: 1, chain: 2 } as const;
const META = { register: 1, key: 2, source: 3 } as const;
const LOG = { group: 1, prefix: 2, length: 3, threshold: 4 } as const;
const LIMIT = { rate: 1, unit: 2, burst: 3, type: 4, flags: 5 } as const;
const COUNTER = { bytes: 1, packets: 2 } as const;
const NFTRACE = 12;
const VERDICTS: Readonly<Record<number, string>> = {
  ...{ 0: '-j DROP', 1: '-j ACCEPT', 4294967291: '-j RETURN' },
};
const JUMP = 0xfffffffd;
const GOTO = 0xfffffffc;
/** XT_LIMIT_SCALE: parts of a second. */
const LIMIT_SCALE = 10_000;
const LIMIT_UNITS: readonly (readonly [string, number])[] = [
  ...([
    ['day', 86_400],
    ['hour', 3_600],
    ['min', 60],
    ['sec', 1],
  ] as const),
];
const USUAL_BURST = 5;

/** The commonest first. */
const NAMES = (
  [
    ...(['match', 'counter', 'payload', 'cmp', 'immediate', 'meta', 'target', 'bitwise'] as const),
    ...(['range', 'limit', 'log'] as const),
  ] as const
).map((kind) => ({ kind, bytes: Buffer.from(`${kind}\0`) }));

/** Of rules of one family. */
export class NftRuleWriter {
  /** Whether a rule asks for a set: their names are asked for only then. */
  wantsSets = false;
  /** What the rule's counter says, of the rule that was written last. */
  packets = 0n;
  sets: SetNames | null = null;
  readonly #family: Family;
  readonly #rule = new NftAttributes();
  readonly #expression = new NftAttributes();
  readonly #inner = new NftAttributes();
  readonly #data = new NftAttributes();
  readonly #native: NativeMatches;
  #target = '';
  #traces = false;

  constructor(family: Family) {
    this.#family = family;
    this.#native = new NativeMatches(family);
  }

  /**
   * The rule in a message of NFT_MSG_NEWRULE; null for one that only its own tool can write.
   *
   * @throws RangeError where it is cut
   */
  write(data: Buffer, from: number, end: number): string | null {
    const rule = this.#rule;
    rule.read(data, from, end);
    const chain = rule.text(RULE.chain);
    // Comments that iptables keeps there come last: since 1.8 they are matches.
    if (chain === null || rule.length(RULE.userdata) > 0) return null;
    const native = this.#native;
    native.begin();
    this.#target = '';
    this.#traces = false;
    this.packets = 0n;
    if (rule.has(RULE.expressions)) {
      const last = rule.end(RULE.expressions);
      for (let at = rule.start(RULE.expressions); at + 4 <= last; ) {
        const length = data.readUInt16LE(at);
        if (length < 4 || at + length > last) throw new RangeError('an expression is cut');
        if (!this.#add(data, at + 4, at + length)) return null;
        at += (length + 3) & ~3;
      }
    }
    const matches = native.text();
    if (matches === null) return null;
    const line = `-A ${chain}${matches}${this.#target === '' ? '' : ` ${this.#target}`}`;
    // A comment with the end of a line in it would be read as a rule of its own.
    return line.includes('\n') ? line.replaceAll('\n', ' ') : line;
  }

  /** False for an expression that is not known. */
  #add(data: Buffer, from: number, end: number): boolean {
    const expression = this.#expression;
    expression.read(data, from, end);
    const kind = NAMES.find((name) => expression.is(EXPR.name, name.bytes))?.kind;
    const inner = this.#inner;
    inner.read(data, expression.start(EXPR.data), expression.end(EXPR.data));
    // Nothing but the counter comes after what decides.
    switch (kind) {
      case 'counter':
        this.packets = inner.be64(COUNTER.packets) ?? 0n;
        return true;
      case 'match':
        return this.#match(data);
      case 'target':
        return this.#setTarget(
          targetText(inner.text(XT.name) ?? '', inner.be32(XT.revision) ?? 0, this.#blob(data)),
        );
      case 'immediate':
        return this.#immediate(data);
      case 'meta':
        if (!inner.has(META.source)) return this.#native.meta(inner);
        return this.#traces && inner.be32(META.key) === NFTRACE && this.#setTarget('-j TRACE');
      case 'payload':
        return this.#native.payload(inner);
      case 'bitwise':
        return this.#native.bitwise(inner, this.#data);
      case 'cmp':
        return this.#native.compare(inner, this.#data);
      case 'range':
        return this.#native.range(inner, this.#data);
      case 'limit':
        return this.#limit();
      case 'log':
        return this.#setTarget(this.#log());
      default:
        return false;
    }
  }

  #blob(data: Buffer): Blob {
    return new Blob(data, this.#inner.start(XT.info), this.#inner.length(XT.info), this.#family);
  }

  #match(data: Buffer): boolean {
    const inner = this.#inner;
    const name = inner.text(XT.name) ?? '';
    if (name === 'set' && this.sets === null) {
      this.wantsSets = true;
      return false;
    }
    const text = matchText(name, inner.be32(XT.revision) ?? 0, this.#blob(data), this.sets);
    return text !== null && this.#native.add(text);
  }

  #setTarget(text: string | null): boolean {
    if (text === null || this.#target !== '') return false;
    this.#target = text;
    return true;
  }

  #immediate(data: Buffer): boolean {
    const inner = this.#inner;
    const value = this.#data;
    value.read(data, inner.start(IMMEDIATE.data), inner.end(IMMEDIATE.data));
    if (!value.has(DATA.verdict)) {
      // What TRACE sets: the expression after it says so.
      const isOne = value.length(DATA.value) === 4 || value.length(DATA.value) === 1;
      this.#traces = isOne && data.readUInt8(value.start(DATA.value)) === 1;
      return this.#traces;
    }
    value.read(data, value.start(DATA.verdict), value.end(DATA.verdict));
    const code = value.be32(VERDICT.code) ?? -1;
    if (code === JUMP || code === GOTO) {
      return this.#setTarget(`-${code === JUMP ? 'j' : 'g'} ${value.text(VERDICT.chain) ?? ''}`);
    }
    return this.#setTarget(VERDICTS[code] ?? null);
  }

  #limit(): boolean {
    const inner = this.#inner;
    const rate = Number(inner.be64(LIMIT.rate) ?? 0n);
    const unit = Number(inner.be64(LIMIT.unit) ?? 0n);
    const burst = inner.be32(LIMIT.burst) ?? 0;
    if (rate === 0 || (inner.be32(LIMIT.type) ?? 0) !== 0 || (inner.be32(LIMIT.flags) ?? 0) !== 0) {
      return false;
    }
    const period = Math.floor((LIMIT_SCALE * unit) / rate);
    const burstText = burst === USUAL_BURST ? '' : ` --limit-burst ${burst}`;
    return this.#native.add(`-m limit --limit ${rateText(period)}${burstText}`);
  }

  #log(): string | null {
    const inner = this.#inner;
    const group = inner.be16(LOG.group);
    if (group === null) return null;
    const prefix = inner.text(LOG.prefix) ?? '';
    const [length, threshold] = [inner.be32(LOG.length) ?? 0, inner.be16(LOG.threshold) ?? 0];
    if (length !== 0) return null;
    return [
      ...['-j NFLOG', prefix === '' ? '' : ` --nflog-prefix ${quoted(prefix)}`],
      group === 0 ? '' : ` --nflog-group ${group}`,
      threshold <= 1 ? '' : ` --nflog-threshold ${threshold}`,
    ].join('');
  }
}

/** Packets in the largest unit that has a whole number of them; by extensions/libxt_limit.c of iptables. */
function rateText(period: number): string {
  let [name, seconds] = LIMIT_UNITS[0] as readonly [string, number];
  for (const [next, shorter] of LIMIT_UNITS.slice(1)) {
    const whole = seconds * LIMIT_SCALE;
    const isLast = period > shorter * LIMIT_SCALE;
    const rest = Math.floor((shorter * LIMIT_SCALE) / period) < (shorter * LIMIT_SCALE) % period;
    if (isLast || rest || whole === 0) break;
    [name, seconds] = [next, shorter];
  }
  return `${Math.floor((seconds * LIMIT_SCALE) / period)}/${name}`;
}
