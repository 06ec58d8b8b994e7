import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { UsageError } from '../model/errors.js';
import { DEFAULT_HOST, DEFAULT_PORT } from '../serve/address.js';
import type { Access } from '../serve/listening.js';
import type { Options } from './option.js';

/** Bytes of a token that is made; characters of one that is given, at least. */
const TOKEN_BYTES = 24;
const TOKEN_LEAST = 16;
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
  listen: {
    type: 'string',
    takes: 'ADDRESS',
    help: 'listen on this address, which others may reach: with --cert and --key, and for who has the token alone',
    file: { type: 'string' },
    read: anyAddress,
  },
  cert: {
    type: 'string',
    takes: 'FILE',
    help: 'with --listen: the certificate, PEM, with those that vouch for it',
    file: { type: 'string' },
  },
  key: {
    type: 'string',
    takes: 'FILE',
    help: 'with --listen: the key of the certificate, PEM',
    file: { type: 'string' },
  },
  'token-file': {
    type: 'string',
    takes: 'FILE',
    help: 'with --listen: the token is in FILE; else one is made and printed, once',
    file: { type: 'string' },
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

export interface AccessOptions {
  /** Null on loopback, where there is no login. */
  readonly access: Access | null;
  /** Whether its token was made for it, and has to be printed. */
  readonly isTokenNew: boolean;
}

interface ParsedListen {
  readonly host?: string;
  readonly port?: string;
  readonly 'allow-host'?: string[];
  readonly listen?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly 'token-file'?: string;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** @throws UsageError `BAD_HOST`, `HOST_NOT_LOOPBACK`, `BAD_PORT` */
export function listenOptions(values: ParsedListen): ListenOptions {
  const port = values.port === undefined ? DEFAULT_PORT : LISTEN_OPTIONS.port.read(values.port);
  const allowHosts = values['allow-host'] ?? [];
  if (values.listen !== undefined) {
    if (values.host !== undefined) {
      throw new UsageError('BAD_HOST', 'give --host or --listen, not both');
    }
    return { host: anyAddress(values.listen), port, allowHosts };
  }
  const host = loopbackAddress(values.host ?? DEFAULT_HOST, port);
  return { host, port, allowHosts };
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
    `--host ${host}: the dashboard has no login, so it listens on loopback alone; to look from another machine use --listen with --cert and --key, or run ssh -L ${port}:${DEFAULT_HOST}:${port} NODE there, or put a proxy with TLS and a login before it`,
  );
}

/** @throws UsageError `BAD_HOST` */
function anyAddress(text: string): string {
  if (isIP(text) !== 0) return text;
  throw new UsageError(
    'BAD_HOST',
    `--listen takes an address of this machine, or 0.0.0.0: ${text}`,
  );
}

/**
 * What whoever listens beyond loopback has to have; reads the files.
 *
 * @throws UsageError `LISTEN_WITHOUT_TLS`, `LISTEN_MISSING`, `CERT_NOT_READABLE`,
 *   `KEY_NOT_READABLE`, `TOKEN_NOT_READABLE`, `BAD_TOKEN`
 */
export function accessOptions(values: ParsedListen): AccessOptions {
  const { listen, cert, key, 'token-file': file } = values;
  if (listen === undefined) {
    const lone = (['cert', 'key', 'token-file'] as const).find((one) => values[one] !== undefined);
    if (lone === undefined) return { access: null, isTokenNew: false };
    throw new UsageError('LISTEN_MISSING', `--${lone} goes with --listen`);
  }
  if (cert === undefined || key === undefined) {
    throw new UsageError(
      'LISTEN_WITHOUT_TLS',
      '--listen shows every connection of this machine to others: it needs --cert FILE and --key FILE',
    );
  }
  const access = {
    cert: readText(cert, 'CERT_NOT_READABLE', '--cert'),
    key: readText(key, 'KEY_NOT_READABLE', '--key'),
    token: tokenOf(file),
  };
  return { access, isTokenNew: file === undefined };
}

/** Of a file, else one that nobody can guess. */
function tokenOf(file: string | undefined): string {
  if (file === undefined) {
    return randomBytes(TOKEN_BYTES).toString('base64url');
  }
  const token = readText(file, 'TOKEN_NOT_READABLE', '--token-file').trim();
  if (token.length >= TOKEN_LEAST && !/\s/.test(token)) return token;
  const message = `--token-file: a token has at least ${TOKEN_LEAST} characters, none of them a space`;
  throw new UsageError('BAD_TOKEN', message);
}

function readText(file: string, code: string, option: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(code, `${option}: ${why}`);
  }
}

function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 0) return host.toLowerCase() === 'localhost';
  return LOOPBACK.check(host, version === 6 ? 'ipv6' : 'ipv4');
}
