import { BlockList, isIP } from 'node:net';
import { UsageError } from '../model/errors.js';
import { DEFAULT_HOST, DEFAULT_PORT } from '../serve/address.js';
import { parsePort } from './options.js';

/** Where a dashboard listens and whom it answers. */
export const LISTEN_OPTIONS = {
  host: { type: 'string' },
  port: { type: 'string', short: 'p' },
  'allow-host': { type: 'string', multiple: true },
} as const;

export const LISTEN_HELP = `  -p, --port PORT      listen on PORT instead of ${DEFAULT_PORT}; 0 takes any free one
  --host ADDRESS       listen on this loopback address instead of ${DEFAULT_HOST}; from
                       another machine: ssh -L ${DEFAULT_PORT}:${DEFAULT_HOST}:${DEFAULT_PORT} NODE
  --allow-host NAME    answer requests for this host name too; repeatable
`;

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

/**
 * There is no login, and what is shown is every connection of the machine: beyond loopback
 * anybody could read it.
 *
 * @throws UsageError `BAD_HOST`, `HOST_NOT_LOOPBACK`, `BAD_PORT`
 */
export function listenOptions(values: ParsedListen): ListenOptions {
  const host = values.host ?? DEFAULT_HOST;
  const port = parsePort(values.port, DEFAULT_PORT);
  if (host === '') {
    throw new UsageError('BAD_HOST', `--host takes a loopback address, ${DEFAULT_HOST} or ::1`);
  }
  if (!isLoopback(host)) {
    throw new UsageError(
      'HOST_NOT_LOOPBACK',
      `--host ${host}: the dashboard has no login, so it listens on loopback alone; to look from another machine run ssh -L ${port}:${DEFAULT_HOST}:${port} NODE there, or put a proxy with TLS and a login before it`,
    );
  }
  return { host, port, allowHosts: values['allow-host'] ?? [] };
}

function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 0) return host.toLowerCase() === 'localhost';
  return LOOPBACK.check(host, version === 6 ? 'ipv6' : 'ipv4');
}
