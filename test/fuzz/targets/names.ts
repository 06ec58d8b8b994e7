import { isIP } from 'node:net';
import { jsonLine, printable, printableRecord } from '../../../src/export/printable.js';
import { type Catalog, CatalogError, parseCatalog } from '../../../src/name/catalog.js';
import { Names } from '../../../src/name/names.js';
import { NamesFileError, parseNamesFile } from '../../../src/name/names-file.js';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

const NO_ONE = { netns: 7, inode: 8 };

/** What a terminal would act on. */
const ACTED_ON = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Names that others chose: catalogs, and texts on their way to a terminal. */
export const NAMES_TARGET: Target = {
  name: 'names',
  kind: 'json',
  longest: 8192,
  words: [
    ...['host', 'clockOffsetNs', 'namespaces', 'endpoints', 'services', 'chains', 'dropReasons'],
    ...['inode', 'name', 'node', 'role', 'ip', 'kind', 'port', 'proto', 'netns', 'family', 'hook'],
    ...['pod', 'external', 'client', 'wire', 'tcp', 'ipv4', 'forward', '__proto__', '\\ud800'],
    ...['\\u001b[2J', '\\u202e', '\\u0000', 'default/nginx', '10.244.0.1', '-9223372036854775808'],
  ],
  era: null,
  lanes: 1,
  leastGood: 0.1,
  begin: () => new NamesEra(),
};

class NamesEra implements Era {
  good = 0;

  check(input: Uint8Array, random: Random): void {
    const text = Buffer.from(input).toString();
    shown(text);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return;
    }
    recorded(value);
    named(text);
    let catalog: Catalog;
    try {
      catalog = parseCatalog(value);
    } catch (error) {
      if (error instanceof CatalogError && error.code === 'CATALOG_INVALID') return;
      throw error;
    }
    const written = JSON.stringify(catalog);
    if (JSON.stringify(parseCatalog(JSON.parse(written))) !== written) {
      throw new Error('a recording would not keep it');
    }
    lookedUp(catalog, random);
    this.good += 1;
  }
}

/** A names file of somebody's is refused with a code, or taken. */
function named(text: string): void {
  try {
    const { endpoints, services } = parseNamesFile(text);
    for (const { ip } of [...endpoints, ...services]) {
      if (ip !== null && isIP(ip) === 0) throw new Error(`address '${ip}'`);
    }
  } catch (error) {
    if (!(error instanceof NamesFileError && error.code === 'NAMES_FILE_INVALID')) throw error;
  }
}

function shown(text: string): void {
  const line = printable(text);
  if (ACTED_ON.test(line)) throw new Error(`printable gave ${JSON.stringify(line)}`);
  if (printable(line) !== line) throw new Error('what is printable is changed again');
  if (!ACTED_ON.test(text) && line !== text) throw new Error('what is shown is changed');
}

function recorded(value: unknown): void {
  const line = jsonLine(value);
  if (ACTED_ON.test(line)) throw new Error(`jsonLine gave ${JSON.stringify(line)}`);
  // Of a negative zero JSON has no sign.
  const same = JSON.stringify(JSON.parse(line)) === JSON.stringify(value);
  if (!same) throw new Error('jsonLine changed the value');
  const copy = JSON.stringify(printableRecord(value));
  if (ACTED_ON.test(copy)) throw new Error(`printableRecord gave ${JSON.stringify(copy)}`);
}

function lookedUp(catalog: Catalog, random: Random): void {
  const names = new Names(catalog);
  const { netns, inode } = catalog.namespaces.at(random.below(catalog.namespaces.length)) ?? NO_ONE;
  const ip = catalog.endpoints.at(random.below(catalog.endpoints.length))?.ip ?? '::';
  const service = catalog.services.at(random.below(catalog.services.length));
  const { name, kind, node } = names.endpoint(ip, netns);
  const original = {
    protocolName: service?.proto ?? 'tcp',
    dst: service?.ip ?? ip,
    dport: service?.port ?? 1,
  };
  const texts: unknown[] = [
    ...[names.netns(netns, inode), names.netns(0, 0), names.reason(random.below(100))],
    ...[name, kind, node, names.node(netns), names.role(netns)],
    ...[names.service(original, random.below(2) === 0), String(names.wallClock(2n ** 64n - 1n))],
    ...(names.registered(netns, 'ipv4') ?? []).map(({ table }) => table),
  ];
  if (!texts.every((text) => text === null || typeof text === 'string')) {
    throw new Error('a name that is no text');
  }
  if (service !== undefined && service.ip !== null && names.service(original, false) === null) {
    throw new Error('a service is not found by its address');
  }
}
