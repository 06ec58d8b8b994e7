import type { Route } from '../../src/network/description.js';
import { parseAddress } from '../../src/rules/address.js';
import { explainHook, type HookQuestion } from '../../src/rules/explain-hook.js';
import { networkText } from '../../src/rules/network-text.js';
import type { Packet } from '../../src/rules/packet.js';
import { parseRules, type RuleSet } from '../../src/rules/rule-set.js';
import type { RuleText } from '../../src/rules/rule-text.js';
import { firstPacket } from '../../src/rules/simulate.js';

/** Local addresses are 192.168.100.111 and 127.0.0.0/8. */
const LOCAL: readonly Route[] = [
  [0xc0a8646fn, 32],
  [0x7f000000n, 8],
].map(([value, length]) => ({
  table: 255,
  dst: { family: 4, value: BigInt(value ?? 0), length: Number(length) },
  ...{ type: 'local', priority: 0, mtu: null, isMtuLocked: false, advmss: null },
  hops: [{ ifindex: 1, via: null }],
}));

export function understood(...texts: readonly (readonly [RuleText['tool'], string])[]): RuleSet {
  const parsing = parseRules({
    ...{ netns: 1, from: '0', until: '0', problems: [] },
    network: networkText({ links: [{ ifindex: 1, name: 'lo' }], routes: LOCAL, rules: [] }),
    texts: texts.map(([tool, text]) => ({ tool, family: 4, pieces: [text] })),
  });
  for (;;) {
    const step = parsing.next();
    if (step.done === true) return step.value;
  }
}

/** `10.0.0.1:80`. */
export function endOf(text: string): { address: number; port: number } {
  const [ip = '', port = '0'] = text.split(':');
  return { address: Number(parseAddress(ip)), port: Number(port) };
}

export function packet(
  from: string,
  to: string,
  protocol = 6,
  change: Partial<Packet> = {},
): Packet {
  const src = endOf(from);
  const dst = endOf(to);
  const ends = { src: src.address, dst: dst.address, sport: src.port, dport: dst.port };
  return { ...firstPacket(ends, protocol, 'eth0', 0), outgoing: '', ...change };
}

/** `chain verdict [certainty]`, for a packet that was seen to come out as `next`, or that was dropped. */
export function explain(
  rules: RuleSet,
  hook: HookQuestion['hook'],
  sent: Packet,
  next: Partial<NonNullable<HookQuestion['next']>> | 'dropped' | null,
): string[] {
  const asPassed = { src: sent.src, dst: sent.dst, sport: sent.sport, dport: sent.dport, mark: 0 };
  const isDropped = next === null ? null : next === 'dropped';
  const records = explainHook(rules, {
    ...{ hook, after: -1_000, before: 1_000, packet: sent, isDropped },
    next: next === null || next === 'dropped' ? null : { ...asPassed, ...next },
  });
  return records.map(({ chain, verdict, certainty, of, source }) => {
    const sure = of === null ? certainty : `${certainty} ${of}`;
    return `${chain} ${verdict} [${sure}]${source === null ? '' : ` ${source.text}`}`;
  });
}
