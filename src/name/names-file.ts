import { isIP } from 'node:net';
import { HopscopeError } from '../model/errors.js';
import { type CatalogEndpoint, type CatalogService, ENDPOINT_KINDS } from './catalog.js';

/** Entries of each list. */
export const NAMES_FILE_ENTRIES = 100_000;
/** Bytes of a file. */
export const NAMES_FILE_BYTES = 32 << 20;
const TEXT_LENGTH = 253;
const LABELS_LIMIT = 64;

/** A names file that is not what it should be. */
export class NamesFileError extends HopscopeError {}

/** What a names file calls a namespace: one under /run/netns, or one by its inode. */
export interface NamedNamespace {
  /** The name under /run/netns, or the inode number. */
  readonly netns: string | number;
  readonly name?: string;
  readonly node?: string;
  readonly role?: 'node' | 'pod' | 'client' | 'wire';
}

export interface NamesFile {
  readonly namespaces: readonly NamedNamespace[];
  readonly endpoints: readonly CatalogEndpoint[];
  readonly services: readonly CatalogService[];
}

const ROLES = ['node', 'pod', 'client', 'wire'] as const;
const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Names that somebody wrote down, as JSON:
 *
 * ```json
 * {"namespaces": [{"netns": "blue", "name": "web", "node": "n1", "role": "pod"}],
 *  "addresses": [{"ip": "192.0.2.7", "name": "database", "kind": "external", "namespace": "prod",
 *                 "workload": "StatefulSet/db", "labels": {"app": "db"}}],
 *  "services": [{"name": "prod/db", "ip": "10.0.0.9", "port": 5432, "proto": "tcp"}]}
 * ```
 *
 * Each list may be left out, and so may all but `netns`, `ip`, `name`, `port`. A service without
 * `ip` is a port of every node.
 *
 * @throws NamesFileError `NAMES_FILE_INVALID` with the place of the first fault
 */
export function parseNamesFile(text: string): NamesFile {
  if (text.length > NAMES_FILE_BYTES) throw invalid('it', `of at most ${NAMES_FILE_BYTES} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid('it', `JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const file = fields(value, 'it', ['namespaces', 'addresses', 'services']);
  return {
    namespaces: list(file['namespaces'], 'namespaces', (each, at) => {
      const keys = ['netns', 'name', 'node', 'role'];
      const { netns, name, node, role } = fields(each, at, keys);
      const inode = typeof netns === 'number' && Number.isSafeInteger(netns) && netns > 0;
      return {
        netns: inode ? netns : word(netns, `${at}.netns`),
        ...given('name', name, (v) => word(v, `${at}.name`)),
        ...given('node', node, (v) => word(v, `${at}.node`)),
        ...given('role', role, (v) => oneOf(ROLES, v, `${at}.role`)),
      };
    }),
    endpoints: list(file['addresses'], 'addresses', (each, at): CatalogEndpoint => {
      const keys = ['ip', 'name', 'kind', 'node', 'namespace', 'workload', 'labels'];
      const endpoint = fields(each, at, keys);
      const { kind = 'external', node = null, namespace, workload, labels } = endpoint;
      return {
        ip: address(endpoint['ip'], `${at}.ip`),
        name: word(endpoint['name'], `${at}.name`),
        kind: oneOf(ENDPOINT_KINDS, kind, `${at}.kind`),
        node: node === null ? null : word(node, `${at}.node`),
        ...given('namespace', namespace, (v) => word(v, `${at}.namespace`)),
        ...given('workload', workload, (v) => word(v, `${at}.workload`)),
        ...given('labels', labels, (v) => labelsOf(v, `${at}.labels`)),
      };
    }),
    services: list(file['services'], 'services', (each, at): CatalogService => {
      const service = fields(each, at, ['name', 'ip', 'port', 'proto']);
      const { ip = null, proto = 'tcp', port } = service;
      return {
        name: word(service['name'], `${at}.name`),
        ip: ip === null ? null : address(ip, `${at}.ip`),
        port: portNumber(port, `${at}.port`),
        proto: oneOf(PROTOCOLS, proto, `${at}.proto`),
      };
    }),
  };
}

function labelsOf(value: unknown, at: string): Readonly<Record<string, string>> {
  const labels = Object.entries(fields(value, at, null));
  if (labels.length > LABELS_LIMIT) throw invalid(at, `at most ${LABELS_LIMIT} labels`);
  return Object.fromEntries(labels.map(([key, label]) => [key, words(label, `${at}.${key}`)]));
}

function invalid(at: string, wanted: string): NamesFileError {
  return new NamesFileError('NAMES_FILE_INVALID', `${at} is not ${wanted}`);
}

/** @param known keys it may have; null for any */
function fields(value: unknown, at: string, known: readonly string[] | null): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(at, 'an object');
  }
  const unknown = Object.keys(value).find((key) => known?.includes(key) === false);
  if (unknown !== undefined) throw invalid(`${at}.${unknown}`, `one of ${known?.join(', ')}`);
  return value as Fields;
}

function list<T>(value: unknown, at: string, each: (value: unknown, at: string) => T): T[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalid(at, 'a list');
  if (value.length > NAMES_FILE_ENTRIES) {
    throw invalid(at, `a list of at most ${NAMES_FILE_ENTRIES} entries`);
  }
  return value.map((element, index) => each(element, `${at}[${index}]`));
}

function given<K extends string, T>(
  key: K,
  value: unknown,
  read: (value: unknown) => T,
): { readonly [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: read(value) } as { readonly [P in K]?: T });
}

function words(value: unknown, at: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what no name has.
  if (typeof value !== 'string' || value.length > TEXT_LENGTH || /[\x00-\x1f\x7f]/u.test(value)) {
    throw invalid(at, `a text of at most ${TEXT_LENGTH} characters`);
  }
  return value;
}

function word(value: unknown, at: string): string {
  const text = words(value, at);
  if (text === '') throw invalid(at, 'a name');
  return text;
}

/** In the form that records have: the shortest of IPv6. */
function address(value: unknown, at: string): string {
  const family = typeof value === 'string' ? isIP(value) : 0;
  if (family === 4) return value as string;
  if (family === 6 && !(value as string).includes('%')) {
    return new URL(`http://[${value as string}]/`).hostname.slice(1, -1);
  }
  throw invalid(at, 'an IP address');
}

function portNumber(value: unknown, at: string): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 0xffff) {
    throw invalid(at, 'a port');
  }
  return value as number;
}

function oneOf<T>(allowed: readonly T[], value: unknown, at: string): T {
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw invalid(at, `one of ${allowed.join(', ')}`);
  return found;
}
