import { describe, expect, it } from 'vitest';
import { CatalogError, EMPTY_CATALOG, parseCatalog } from '../../src/name/catalog.js';
import { CLUSTER } from '../fixtures/catalog.js';

function fault(value: unknown): { code: string; message: string } {
  try {
    parseCatalog(value);
  } catch (error) {
    if (error instanceof CatalogError) return { code: error.code, message: error.message };
    throw error;
  }
  return { code: 'none', message: '' };
}

it.each([EMPTY_CATALOG, CLUSTER])('is what was written', (catalog) => {
  expect(parseCatalog(JSON.parse(JSON.stringify(catalog)))).toEqual(catalog);
});

it('leaves out what a later version has besides', () => {
  const [namespace, ...others] = CLUSTER.namespaces;
  const later = { ...CLUSTER, namespaces: [{ ...namespace, colour: 'red' }, ...others], more: 1 };
  expect(parseCatalog(later)).toEqual(CLUSTER);
});

it('knows of no chains where an earlier version wrote it', () => {
  const { chains: _, ...earlier } = CLUSTER;
  expect(parseCatalog(earlier)).toEqual({ ...CLUSTER, chains: [] });
});

describe('refuses, with the place of the fault,', () => {
  it.each([null, undefined, 7, 'text', [CLUSTER]])('%j in place of a catalog', (value) => {
    const { code, message } = fault(value);
    expect(code).toBe('CATALOG_INVALID');
    expect(message).toMatch(/^catalog(?:\.host)? is (?:not an object|missing)$/u);
  });

  it.each(Object.keys(CLUSTER).filter((key) => key !== 'chains'))('a catalog without %s', (key) => {
    const { code, message } = fault({ ...CLUSTER, [key]: undefined });
    expect(code).toBe('CATALOG_INVALID');
    expect(message).toBe(`catalog.${key} is missing`);
  });

  it.each([
    ['clockOffsetNs', 'soon'],
    ['clockOffsetNs', '1.5'],
    ['clockOffsetNs', `1${'0'.repeat(40)}`],
    ['namespaces', {}],
    ['namespaces[0]', [null]],
    ['namespaces[0].netns', [{ inode: 1, name: 'a', node: null, role: null }]],
    ['namespaces[0].inode', [{ netns: 1, inode: '1', name: 'a', node: null, role: null }]],
    ['namespaces[0].inode', [{ netns: 1, inode: -1, name: 'a', node: null, role: null }]],
    ['namespaces[0].name', [{ netns: 1, inode: 1, name: null, node: null, role: null }]],
    ['namespaces[0].node', [{ netns: 1, inode: 1, name: 'a', role: null }]],
    ['namespaces[0].role', [{ netns: 1, inode: 1, name: 'a', node: null, role: 'king' }]],
    ['endpoints[0].ip', [{ name: 'a', kind: 'pod', node: null }]],
    ['endpoints[0].kind', [{ ip: '192.0.2.1', name: 'a', kind: null, node: null }]],
    ['services[0].port', [{ name: 'a/b', ip: null, port: 1.5, proto: 'tcp' }]],
    ['services[0].proto', [{ name: 'a/b', ip: null, port: 1 }]],
    ['chains', {}],
    ['chains[0].netns', [{ family: 'ipv4', hook: 'input', priority: 0, table: 'filter' }]],
    ['chains[0].family', [{ netns: 1, family: 'ip', hook: 'input', priority: 0, table: 'x' }]],
    ['chains[0].hook', [{ netns: 1, family: 'ipv4', hook: 'ingress', priority: 0, table: 'x' }]],
    ['chains[0].priority', [{ netns: 1, family: 'ipv4', hook: 'input', priority: 0.5, table: '' }]],
    ['chains[0].table', [{ netns: 1, family: 'ipv4', hook: 'input', priority: -1 }]],
    ['dropReasons[0]', [{}]],
    ['dropReasons[0][1]', [[1]]],
    ['dropReasons[0][0]', [['1', 'NAME']]],
    ['dropReasons[0][1]', [[1, 2]]],
  ])('%s', (place, value) => {
    const key = /^\w+/.exec(place)?.[0] ?? '';
    const { code, message } = fault({ ...CLUSTER, [key]: value });
    expect(code).toBe('CATALOG_INVALID');
    expect(message.slice(0, message.search(/ is (?:not|missing)/u))).toBe(`catalog.${place}`);
  });
});
