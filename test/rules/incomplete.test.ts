import { describe, expect, it } from 'vitest';
import { NEWS_LIMIT, RuleReading } from '../../src/pipeline-rules.js';
import { NAMESPACES_LIMIT, RuleBook } from '../../src/rules/rule-book.js';
import { RuleCounters } from '../../src/rules/rule-counters.js';
import { RuleRoom } from '../../src/rules/rule-room.js';
import { parseRules } from '../../src/rules/rule-set.js';
import type { NamespaceRules, RuleProblem } from '../../src/rules/rule-text.js';
import { Epoch } from '../../src/wire/clock.js';
import { explain, packet } from './understood.js';

const SENT = packet('10.0.0.1:1000', '10.0.0.2:80', 6, { outgoing: 'eth1' });
const TEXT = ['*filter', ':FORWARD DROP [0:0]', '-A FORWARD -p udp -j ACCEPT', 'COMMIT', ''];

function rulesOf(problems: readonly RuleProblem[], lines = TEXT): NamespaceRules {
  const texts = [{ tool: 'iptables-nft', family: 4, pieces: [lines.join('\n')] } as const];
  return { netns: 7, from: '1', until: '2', network: null, texts, problems };
}

function understood(rules: NamespaceRules, counters = new RuleCounters(), room = new RuleRoom()) {
  const parsing = parseRules(rules, counters, room);
  for (;;) {
    const step = parsing.next();
    if (step.done === true) return step.value;
  }
}

const missing = (family: 4 | 6 | null): RuleProblem => ({
  ...{ code: 'RULES_NOT_READ', message: 'nft: it is not there', family },
});

describe('a table that was not read', () => {
  it('makes no rule of the others certain', () => {
    const counters = new RuleCounters();
    const rules = understood(rulesOf([missing(4)]), counters);
    expect(explain(rules, 'forward', SENT, 'dropped')).toEqual(['FORWARD policy DROP [unknown]']);
    expect(counters.losses()['rules-cut']).toBe(1);
  });

  it('of the other family changes nothing', () => {
    const rules = understood(rulesOf([missing(6)]));
    expect(explain(rules, 'forward', SENT, 'dropped')).toEqual(['FORWARD policy DROP [seen]']);
  });
});

it('rules past the limit are left out, and what comes after is not guessed', () => {
  const lines = [...TEXT.slice(0, 3), '-A FORWARD -p udp -j DROP', ...TEXT.slice(3)];
  const whole = understood(rulesOf([], lines), new RuleCounters(), new RuleRoom(2));
  expect(whole.problems).toEqual([]);
  const counters = new RuleCounters();
  const cut = understood(rulesOf([], lines), counters, new RuleRoom(1));
  expect(cut.problems.map(({ code }) => code)).toEqual(['RULES_TOO_MANY']);
  expect(counters.losses()['rules-left-out']).toBe(1);
  expect(explain(cut, 'forward', SENT, 'dropped')).toEqual([
    'FORWARD unknown [unknown] the rules were not followed to their end: RULES_LEFT_OUT',
  ]);
});

it('a hook that no way explains is counted', () => {
  const counters = new RuleCounters();
  const rules = understood(rulesOf([]), counters);
  explain(rules, 'forward', SENT, {});
  expect(counters.losses()['rules-unexplained']).toBe(1);
});

it('namespaces past the limit are removed and counted', () => {
  const book = new RuleBook();
  for (let netns = 0; netns < NAMESPACES_LIMIT; netns++) book.add(netns, 0, 1, null);
  expect(book.counters.losses()['rules-namespaces-evicted']).toBe(0);
  book.add(NAMESPACES_LIMIT, 0, 1, null);
  expect(book.counters.losses()['rules-namespaces-evicted']).toBe(1);
});

describe('what of the rules is not known', () => {
  const reading = (): RuleReading =>
    new RuleReading(new Epoch(0n), true, (netns) => `node${netns}`);

  it('is said with its code and its place, until it is read whole', async () => {
    const rules = reading();
    rules.add({ kind: 'read', rules: rulesOf([missing(null)]) });
    await rules.settled();
    expect(rules.missing).toEqual([
      expect.stringMatching(/^RULES_NOT_READ: nft: it is not there, in node7, since /),
    ]);
    expect(rules.counters.losses()['rules-not-read']).toBe(1);
    rules.add({ kind: 'read', rules: rulesOf([]) });
    await rules.settled();
    expect(rules.missing).toEqual([]);
  });

  it('is over with its namespace', async () => {
    const rules = reading();
    rules.add({ kind: 'read', rules: { ...rulesOf([missing(null)]), texts: [] } });
    rules.add({ kind: 'gone', netns: 7 });
    await rules.settled();
    expect(rules.missing).toEqual([]);
  });

  it('news past the limit are counted', async () => {
    const rules = reading();
    for (let i = 0; i < NEWS_LIMIT + 2; i++) rules.add({ kind: 'same', netns: 1, until: '1' });
    await rules.settled();
    // One is at work.
    expect(rules.counters.losses()['rules-news-skipped']).toBeGreaterThan(0);
  });
});
