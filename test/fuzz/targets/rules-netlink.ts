import { HopscopeError } from '../../../src/model/errors.js';
import { decodeChains } from '../../../src/name/base-chains.js';
import { decodeRules } from '../../../src/network/decode-rules.js';
import { IptablesSaveParser } from '../../../src/rules/iptables-save.js';
import { NftRuleWriter } from '../../../src/rules/nft-iptables.js';
import { chainsOf, ruleMessages, setNamesOf } from '../../../src/rules/nft-table-dump.js';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

/** Longest line that a rule may become: the largest blob has 256 bytes of text. */
const LONGEST_LINE = 64 << 10;

/** The kernel's own dumps of rules, whatever they say. */
export const RULES_NETLINK_TARGET: Target = {
  name: 'rules-netlink',
  kind: 'bytes',
  longest: 8 << 10,
  words: [
    'match\0',
    'target\0',
    'payload\0',
    'cmp\0',
    'meta\0',
    'comment\0',
    'conntrack\0',
    'set\0',
  ],
  era: null,
  lanes: 1,
  leastGood: 0.02,
  suiteCount: 5_000,
  begin: () => new RulesNetlinkEra(),
};

class RulesNetlinkEra implements Era {
  good = 0;

  check(input: Uint8Array, random: Random): void {
    for (const decode of [decodeChains, decodeRules]) orNamed(() => decode(input));
    const data = Buffer.from(input);
    orNamed(() => [...chainsOf(data)]);
    orNamed(() => setNamesOf(data));
    const family = random.below(2) === 0 ? 4 : 6;
    const writer = new NftRuleWriter(family);
    if (random.below(2) === 0) writer.sets = new Map([[0, 'hosts']]);
    const lines: string[] = [];
    orNamed(() => {
      for (const [from, end] of ruleMessages(data)) {
        const line = writer.write(data, from, end);
        if (line !== null) lines.push(line);
      }
    });
    if (lines.some((line) => line.length > LONGEST_LINE)) throw new Error('a line is too long');
    if (lines.length > 0) this.good += 1;
    // Whatever was written is understood, or said to be unknown.
    const chains = new Set(lines.map((line) => /^-A (\S+)/u.exec(line)?.[1] ?? ''));
    const parser = new IptablesSaveParser(family, 'iptables-nft');
    parser.add(['*filter', ...[...chains].map((name) => `:${name} - [0:0]`), ...lines].join('\n'));
    const parsing = parser.end();
    let step = parsing.next();
    while (step.done !== true) step = parsing.next();
    for (const { chains: made } of step.value) {
      for (const { rules } of made.values()) for (let i = 0; i < rules.length; i++) rules.at(i);
    }
  }
}

/** An error has to be one that the reader knows. */
function orNamed(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    if (!(error instanceof HopscopeError || error instanceof RangeError)) throw error;
    if (error instanceof RangeError && /call stack/iu.test(error.message)) throw error;
  }
}
