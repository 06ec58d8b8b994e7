import { expect, it } from 'vitest';
import {
  RulesAssembly,
  type RulesMessage,
  rulesMessages,
} from '../../src/observe/rules-crossing.js';
import type { NamespaceRules, RulesNews } from '../../src/rules/rule-text.js';

const LARGE = 'x'.repeat(100_000);
const RULES: NamespaceRules = {
  ...{ netns: 7, from: '1', until: '2', network: '{}' },
  problems: [{ code: 'RULES_NOT_READ', message: 'no nft', family: null }],
  texts: [
    { tool: 'iptables-nft', family: 4, pieces: ['*nat', LARGE, LARGE, LARGE, LARGE, 'COMMIT'] },
    // Two tables of one tool, and one that printed nothing.
    ...[['{"nftables": []}'], ['{"nftables": [1]}'], []].map((pieces) => ({
      ...({ tool: 'nft', family: null } as const),
      pieces,
    })),
  ],
};

function crossed(news: RulesNews): { parts: number; arrived: RulesNews | null } {
  const assembly = new RulesAssembly();
  let arrived: RulesNews | null = null;
  let parts = 0;
  for (const message of rulesMessages(news)) {
    expect(arrived).toBeNull();
    arrived = assembly.take(JSON.parse(JSON.stringify(message)) as RulesMessage);
    parts += 1;
  }
  return { parts, arrived };
}

it('rules arrive as they were read, in parts that are small', () => {
  const { parts, arrived } = crossed({ kind: 'read', rules: RULES });
  expect(parts).toBeGreaterThan(RULES.texts.length + 1);
  expect(arrived).toEqual({ kind: 'read', rules: RULES });
});

it.each([
  { kind: 'same', netns: 7, until: '3' },
  { kind: 'gone', netns: 7 },
] as const)('$kind crosses as it is', (news) => {
  expect(crossed(news)).toEqual({ parts: 1, arrived: news });
});
