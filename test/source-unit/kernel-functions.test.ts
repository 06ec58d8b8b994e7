import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { type FunctionLookup, KernelFunctions } from '../../src/source/kernel-functions.js';

const folder = mkdtempSync(join(tmpdir(), 'hopscope-functions-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const modulesPath = join(folder, 'modules');
const IP_ERROR = 0xffff_ffff_8100_1000n;
const IN_MODULE = 0xffff_ffff_c040_0123n;
const NOWHERE = 0xffff_ffff_c050_0000n;
/** More than addresses of no function are remembered for. */
const UNKNOWN_PAST_MS = 120;

/** What the kernel would say; every question is noted. */
class Lookup implements FunctionLookup {
  readonly asked: bigint[] = [];
  answer: (address: bigint) => string | null = () => null;
  closed = false;

  name(address: bigint): string | null {
    this.asked.push(address);
    return this.answer(address);
  }

  close(): void {
    this.closed = true;
  }
}

let resolved: string[] = [];
let warnings: string[] = [];
let lookup: Lookup;
let functions: KernelFunctions;

beforeEach(async () => {
  resolved = [];
  warnings = [];
  lookup = new Lookup();
  writeFileSync(modulesPath, '');
  functions = new KernelFunctions({
    modulesPath,
    onResolved: (_, name) => resolved.push(name),
    onWarning: (message) => warnings.push(message),
  });
  await functions.load(async () => lookup);
});

it('asks for an address once', () => {
  lookup.answer = () => 'ip_error';
  expect([functions.name(IP_ERROR), functions.name(IP_ERROR)]).toEqual(['ip_error', 'ip_error']);
  expect(lookup.asked).toEqual([IP_ERROR]);
  expect(resolved).toEqual(['ip_error']);
  expect([...functions.resolved()]).toEqual([[IP_ERROR, 'ip_error']]);
});

it('names a function of a module that was loaded since', async () => {
  expect(functions.name(IN_MODULE)).toBeNull();
  lookup.answer = () => 'nft_do_chain';
  await delay(UNKNOWN_PAST_MS);
  expect(functions.name(IN_MODULE)).toBe('nft_do_chain');
  expect(resolved).toEqual(['nft_do_chain']);
});

it('does not ask for an address of no function again at once', async () => {
  for (let i = 0; i < 1000; i++) expect(functions.name(NOWHERE)).toBeNull();
  // Two of them when the time was over in between.
  expect(lookup.asked.length).toBeLessThanOrEqual(2);
  const before = lookup.asked.length;
  await delay(UNKNOWN_PAST_MS);
  functions.name(NOWHERE);
  expect(lookup.asked.length).toBe(before + 1);
});

it('forgets what a module was called when another is in its place', () => {
  writeFileSync(modulesPath, 'one 4096 0 - Live 0xffffffffc0400000\n');
  expect(functions.refresh()).toBe(true);
  lookup.answer = () => 'first';
  expect(functions.name(IN_MODULE)).toBe('first');
  lookup.answer = () => 'second';
  expect(functions.refresh()).toBe(false);
  expect(functions.name(IN_MODULE)).toBe('first');
  writeFileSync(modulesPath, 'two 4096 0 - Live 0xffffffffc0400000\n');
  expect(functions.refresh()).toBe(true);
  expect(functions.resolved().size).toBe(0);
  expect(functions.name(IN_MODULE)).toBe('second');
  expect(resolved).toEqual(['first', 'second']);
});

it.each([
  ['another module', 'one 4096 0 - Live 0xffffffffc0400000\ntwo 1 0 - Live 0xffffffffc0500000\n'],
  ['another place', 'one 4096 0 - Live 0xffffffffc0401000\n'],
  ['another size', 'one 8192 0 - Live 0xffffffffc0400000\n'],
  ['no module', ''],
])('forgets names for %s', (_, text) => {
  writeFileSync(modulesPath, 'one 4096 0 - Live 0xffffffffc0400000\n');
  functions.refresh();
  writeFileSync(modulesPath, text);
  expect(functions.refresh()).toBe(true);
});

it.each([
  ['another number of users', 'one 4096 7 two, Live 0xffffffffc0400000 (O)\n'],
  ['another state', 'one 4096 0 - Unloading 0xffffffffc0400000\n'],
  ['the same', 'one 4096 0 - Live 0xffffffffc0400000\n'],
])('keeps names for %s', (_, text) => {
  writeFileSync(modulesPath, 'one 4096 0 - Live 0xffffffffc0400000\n');
  functions.refresh();
  writeFileSync(modulesPath, text);
  expect(functions.refresh()).toBe(false);
});

it('sees modules come and go whose addresses are kept from it', () => {
  writeFileSync(modulesPath, 'one 4096 0 - Live 0x0000000000000000\n');
  expect(functions.refresh()).toBe(true);
  writeFileSync(modulesPath, 'two 4096 0 - Live 0x0000000000000000\n');
  expect(functions.refresh()).toBe(true);
});

it('needs no list of modules: a kernel may have none', () => {
  rmSync(modulesPath);
  lookup.answer = () => 'ip_error';
  expect(functions.refresh()).toBe(false);
  expect(functions.name(IP_ERROR)).toBe('ip_error');
});

it('keeps no more addresses than its limit', () => {
  lookup.answer = () => 'ip_error';
  for (let i = 0; i < 65_536; i++) functions.name(IP_ERROR + BigInt(i));
  expect([functions.resolved().size, functions.forgotten]).toEqual([65_536, 0]);
  expect(functions.name(IP_ERROR + 65_536n)).toBe('ip_error');
  expect([functions.resolved().size, functions.forgotten]).toEqual([65_536, 1]);
});

it('keeps no more addresses of no function than its limit', () => {
  for (let i = 0; i < 1_024; i++) functions.name(NOWHERE + BigInt(i));
  expect(functions.forgotten).toBe(0);
  functions.name(NOWHERE + 1_024n);
  expect(functions.forgotten).toBe(1);
});

it('warns once where the kernel cannot be asked, and has no names', async () => {
  const refused = new KernelFunctions({
    modulesPath,
    onWarning: (message) => warnings.push(message),
  });
  await refused.load(() => Promise.reject(new Error('load: EPERM')));
  expect(refused.name(IP_ERROR)).toBeNull();
  expect(refused.refresh()).toBe(false);
  lookup.answer = () => {
    throw new Error('run: ENOMEM');
  };
  for (let i = 0n; i < 3n; i++) expect(functions.name(IP_ERROR + i)).toBeNull();
  expect(warnings).toEqual([
    'drops have no place: Error: load: EPERM',
    'drops have no place: Error: run: ENOMEM',
  ]);
});

it('has no names before it has begun', () => {
  expect(new KernelFunctions({ modulesPath }).name(IP_ERROR)).toBeNull();
});

it('still has the names it knows when it is closed', () => {
  lookup.answer = () => 'ip_error';
  functions.name(IP_ERROR);
  functions.close();
  expect(lookup.closed).toBe(true);
  expect([functions.name(IP_ERROR), functions.name(IP_ERROR + 1n)]).toEqual(['ip_error', null]);
});
