import { expect, it } from 'vitest';
import type { NameFacts } from '../../src/provide/name-provider.js';
import { CatalogReader } from '../../src/source/catalog-reader.js';
import type { FoundNamespace } from '../../src/source/namespace-watcher.js';

const FOUND = {
  netns: 77,
  inode: 4026532000,
  name: 'cni-5abd97cd-3934-a607-62d6-6dce4ce33a01',
} as FoundNamespace;
const NOTHING: NameFacts = { namespaces: [], endpoints: [], services: [], chains: [] };

it('a namespace keeps the name of its pod when the runtime knows it no more', async () => {
  let facts: NameFacts = {
    ...NOTHING,
    namespaces: [{ netns: 77, name: 'web-1', role: 'pod', pod: { namespace: 'shop' } }],
  };
  const provider = { name: 'cri', read: () => Promise.resolve(facts) } as const;
  const reader = new CatalogReader(new Map(), [provider]);
  const pod = { netns: 77, name: 'web-1', role: 'pod', pod: { namespace: 'shop' } };
  expect((await reader.read([FOUND])).namespaces).toMatchObject([pod]);
  facts = NOTHING;
  expect((await reader.read([FOUND])).namespaces).toMatchObject([pod]);
  expect((await reader.read([])).namespaces).toEqual([]);
  // Its number is never used again: this is to show that nothing is kept for longer.
  expect((await reader.read([FOUND])).namespaces).toMatchObject([{ name: FOUND.name }]);
});
