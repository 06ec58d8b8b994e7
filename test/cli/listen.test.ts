import { expect, it } from 'vitest';
import { listenOptions } from '../../src/cli/listen.js';
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
  expect(listenOptions({})).toEqual({ host: '127.0.0.1', port: 7677, allowHosts: [] });
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
