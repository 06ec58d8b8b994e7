import { BlockList, isIP } from 'node:net';
import { UsageError } from '../model/errors.js';
import { DEFAULT_HOST, DEFAULT_PORT } from '../serve/address.js';
import type { Options } from './option.js';

const PORT = /^\d{1,5}$/u;

/** Where a dashboard listens and whom it answers. */
export const LISTEN_OPTIONS = {
  port: {
    type: 'string',
    short: 'p',
    takes: 'PORT',
    help: `listen on PORT instead of ${DEFAULT_PORT}; 0 takes any free one`,
    file: { type: ['string', 'integer'], pattern: PORT.source, minimum: 0, maximum: 65_535 },
    read: parsePort,
  },
  host: {
    type: 'string',
    takes: 'ADDRESS',
    help: `listen on this loopback address instead of ${DEFAULT_HOST}; from another machine: ssh -L ${DEFAULT_PORT}:${DEFAULT_HOST}:${DEFAULT_PORT} NODE`,
    file: { type: 'string' },
    read: (text: string) => loopbackAddress(text, DEFAULT_PORT),
  },
  'allow-host': {
    type: 'string',
    multiple: true,
    takes: 'NAME',
    help: 'answer requests for this host name too; repeatable',
    file: { type: 'string' },
    read: (text: string) => text,
  },
} as const satisfies Options;

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly allowHosts: readonly string[];
}

interface ParsedListen {
  readonly host?: string;
  readonly port?: string;
  readonly 'allow-host'?: string[];
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** @throws UsageError `BAD_HOST`, `HOST_NOT_LOOPBACK`, `BAD_PORT` */
export function listenOptions(values: ParsedListen): ListenOptions {
  const port = values.port === undefined ? DEFAULT_PORT : LISTEN_OPTIONS.port.read(values.port);
  const host = loopbackAddress(values.host ?? DEFAULT_HOST, port);
  return { host, port, allowHosts: values['allow-host'] ?? [] };
}

/** A TCP port; 0 for any free one. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!PORT.test(text) || port > 65_535) throw new UsageError('BAD_PORT', `not a port: ${text}`);
  return port;
}

/**
 * There is no login, and what is shown is every connection of the machine: beyond loopback
 * anybody could read it.
 *
 * @throws UsageError `BAD_HOST`, `HOST_NOT_LOOPBACK`
 */
function loopbackAddress(host: string, port: number): string {
  if (host === '') {
    throw new UsageError('BAD_HOST', `--host takes a loopback address, ${DEFAULT_HOST} or ::1`);
  }
  if (isLoopback(host)) return host;
  throw new UsageError(
    'HOST_NOT_LOOPBACK',
    `--host ${host}: the dashboard has no login, so it listens on loopback alone; to look from another machine run ssh -L ${port}:${DEFAULT_HOST}:${port} NODE there, or put a proxy with TLS and a login before it`,
  );
}

function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 0) return host.toLowerCase() === 'localhost';
  return LOOPBACK.check(host, version === 6 ? 'ipv6' : 'ipv4');
}
