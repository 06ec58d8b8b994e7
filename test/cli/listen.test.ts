import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { accessOptions, listenOptions } from '../../src/cli/listen.js';
import { UsageError } from '../../src/model/errors.js';

function fault(host: string): string {
  try {
    listenOptions({ host });
  } catch (error) {
    if (error instanceof UsageError) return error.code;
    throw error;
  }
  return 'none';
}

it('a dashboard listens on loopback, on its port, when nothing is said', () => {
  expect(listenOptions({})).toEqual({
    host: '127.0.0.1',
    port: 7677,
    allowHosts: [],
  });
});

it.each(['127.0.0.1', '127.1.2.3', '::1', '0:0:0:0:0:0:0:1', 'localhost', 'LOCALHOST'])(
  '%s is loopback',
  (host) => {
    expect(listenOptions({ host, port: '0', 'allow-host': ['node1'] })).toEqual({
      host,
      port: 0,
      allowHosts: ['node1'],
    });
  },
);

it.each([
  ['', 'BAD_HOST'],
  ['0.0.0.0', 'HOST_NOT_LOOPBACK'],
  ['::', 'HOST_NOT_LOOPBACK'],
  ['::ffff:192.0.2.1', 'HOST_NOT_LOOPBACK'],
  ['192.0.2.1', 'HOST_NOT_LOOPBACK'],
  ['128.0.0.1', 'HOST_NOT_LOOPBACK'],
  ['127.0.0.1.example.org', 'HOST_NOT_LOOPBACK'],
  ['node1', 'HOST_NOT_LOOPBACK'],
  [' ', 'HOST_NOT_LOOPBACK'],
])('%j would let others in, or is no address: %s', (host, code) => {
  expect(fault(host)).toBe(code);
});

it('says how to look from another machine', () => {
  expect(() => listenOptions({ host: '0.0.0.0', port: '80' })).toThrow(
    /no login.*ssh -L 80:127\.0\.0\.1:80/,
  );
});

describe('beyond loopback', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-listen-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const cert = file('cert.pem', 'a certificate');
  const key = file('key.pem', 'a key');
  afterAll(() => rmSync(folder, { recursive: true }));

  const both = (values: Parameters<typeof listenOptions>[0]) => ({
    ...listenOptions(values),
    ...accessOptions(values),
  });
  const code = (values: Parameters<typeof listenOptions>[0]): string => {
    try {
      both(values);
    } catch (error) {
      if (error instanceof UsageError) return error.code;
      throw error;
    }
    return 'none';
  };

  it('takes a certificate and its key, and makes a token that differs each time', () => {
    const [one, other] = [1, 2].map(() => both({ listen: '0.0.0.0', cert, key }));
    expect(one).toMatchObject({
      host: '0.0.0.0',
      isTokenNew: true,
      access: { cert: 'a certificate', key: 'a key' },
    });
    expect(one?.access?.token).toMatch(/^[\w-]{32}$/);
    expect(one?.access?.token).not.toBe(other?.access?.token);
  });

  it('takes the token of a file, which is not printed', () => {
    const given = file('token', 'sixteen-characters\n');
    const { access, isTokenNew } = both({ listen: '::', cert, key, 'token-file': given });
    expect([access?.token, isTokenNew]).toEqual(['sixteen-characters', false]);
  });

  it.each([
    ['without TLS', { listen: '0.0.0.0' }, 'LISTEN_WITHOUT_TLS'],
    ['without a key', { listen: '0.0.0.0', cert }, 'LISTEN_WITHOUT_TLS'],
    ['with a name', { listen: 'node1', cert, key }, 'BAD_HOST'],
    ['with --host', { listen: '::', host: '::1', cert, key }, 'BAD_HOST'],
    ['with no such file', { listen: '::', cert: '/nowhere', key }, 'CERT_NOT_READABLE'],
    ['with no such key', { listen: '::', cert, key: '/nowhere' }, 'KEY_NOT_READABLE'],
    ['with a short token', { listen: '::', cert, key, 'token-file': cert }, 'BAD_TOKEN'],
    ['a certificate alone', { cert }, 'LISTEN_MISSING'],
  ])('%s is refused', (_what, values, expected) => expect(code(values)).toBe(expected));
});
