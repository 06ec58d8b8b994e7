import { describe, expect, it } from 'vitest';
import { NAMES_FILE_ENTRIES, NamesFileError, parseNamesFile } from '../../src/name/names-file.js';

const parse = (value: unknown) => parseNamesFile(JSON.stringify(value));

describe('a names file', () => {
  it('names namespaces, addresses and services', () => {
    const label = { labels: { app: 'db' } };
    expect(
      parse({
        namespaces: [{ netns: 'blue', name: 'web', role: 'pod' }, { netns: 4026532341 }],
        addresses: [
          { ip: 'fd00:0:0::7', name: 'db', kind: 'pod', node: 'n1', namespace: 'prod', ...label },
          { ip: '192.0.2.7', name: 'outside' },
        ],
        services: [
          { name: 'prod/db', ip: '10.0.0.9', port: 5432 },
          { name: 'a/b', port: 30080 },
        ],
      }),
    ).toEqual({
      namespaces: [{ netns: 'blue', name: 'web', role: 'pod' }, { netns: 4026532341 }],
      endpoints: [
        { ip: 'fd00::7', name: 'db', kind: 'pod', node: 'n1', namespace: 'prod', ...label },
        { ip: '192.0.2.7', name: 'outside', kind: 'external', node: null },
      ],
      services: [
        { name: 'prod/db', ip: '10.0.0.9', port: 5432, proto: 'tcp' },
        { name: 'a/b', ip: null, port: 30080, proto: 'tcp' },
      ],
    });
  });

  it('may be empty', () => {
    expect(parse({})).toEqual({ namespaces: [], endpoints: [], services: [] });
  });

  it.each([
    [[], /^it is not an object/u],
    [{ adresses: [] }, /^it\.adresses is not one of/u],
    [{ addresses: {} }, /^addresses is not a list/u],
    [{ addresses: [{ ip: '1.2.3', name: 'x' }] }, /^addresses\[0\]\.ip is not an IP address/u],
    [{ addresses: [{ ip: 'fe80::1%eth0', name: 'x' }] }, /^addresses\[0\]\.ip/u],
    [{ addresses: [{ ip: '1.2.3.4' }] }, /^addresses\[0\]\.name/u],
    [{ addresses: [{ ip: '1.2.3.4', name: 'a\nb' }] }, /^addresses\[0\]\.name/u],
    [
      { addresses: [{ ip: '1.2.3.4', name: 'x', labels: { a: 1 } }] },
      /^addresses\[0\]\.labels\.a/u,
    ],
    [{ services: [{ name: 'a', port: 65536 }] }, /^services\[0\]\.port is not a port/u],
    [{ services: [{ name: 'a', port: 1, proto: 'icmp' }] }, /^services\[0\]\.proto/u],
    [{ namespaces: [{ netns: -1 }] }, /^namespaces\[0\]\.netns/u],
    [{ namespaces: [null] }, /^namespaces\[0\] is not an object/u],
    [{ services: Array(NAMES_FILE_ENTRIES + 1).fill({ name: 'a', port: 1 }) }, /at most 100000/u],
  ])('says where its first fault is: %#', (value, message) => {
    expect(() => parse(value)).toThrow(NamesFileError);
    expect(() => parse(value)).toThrow(message);
  });

  it('that is no JSON is refused', () => {
    expect(() => parseNamesFile('{')).toThrow(/^it is not JSON/u);
  });
});
