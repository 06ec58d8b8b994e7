import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { KernelFunctions } from '../../src/source/kernel-functions.js';

const folder = mkdtempSync(join(tmpdir(), 'hopscope-functions-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const symbolsPath = join(folder, 'kallsyms');
const modulesPath = join(folder, 'modules');
const KERNEL =
  'ffffffff81000000 T _stext\nffffffff81001000 t ip_error\nffffffff82000000 T _etext\n';
const IN_MODULE = 0xffff_ffff_c040_0123n;

function machine(modules: string, symbols: string): void {
  writeFileSync(modulesPath, modules);
  writeFileSync(symbolsPath, KERNEL + symbols);
}

let told: string[] = [];
let functions: KernelFunctions;

beforeEach(() => {
  told = [];
  machine('', '');
  functions = new KernelFunctions({
    symbolsPath,
    modulesPath,
    onResolved: (_, name) => told.push(name),
  });
  functions.load();
});

it('names a function of a module that was loaded since', async () => {
  expect(functions.name(IN_MODULE)).toBeNull();
  machine(
    'nf_tables 372736 12 - Live 0xffffffffc0400000\n',
    'ffffffffc0400010 t nft_do_chain\t[nf_tables]\n',
  );
  await delay(1_050);
  // The address itself asks for it.
  expect(functions.name(IN_MODULE)).toBe('nft_do_chain');
  expect(told).toEqual(['nft_do_chain']);
});

it('forgets what a module was called when another is in its place', async () => {
  machine('one 4096 0 - Live 0xffffffffc0400000\n', 'ffffffffc0400010 t first\t[one]\n');
  functions.load();
  expect(functions.name(IN_MODULE)).toBe('first');
  machine('two 4096 0 - Live 0xffffffffc0400000\n', 'ffffffffc0400010 t second\t[two]\n');
  await delay(1_050);
  expect(functions.refresh()).toBe(true);
  expect(functions.name(IN_MODULE)).toBe('second');
  expect(told).toEqual(['first', 'second']);
});

it('does not read again for another number of users', async () => {
  machine('one 4096 0 - Live 0xffffffffc0400000\n', '');
  functions.load();
  machine('one 4096 7 two, Live 0xffffffffc0400000 (O)\n', '');
  await delay(1_050);
  expect(functions.refresh()).toBe(false);
});

it('keeps no more addresses than its limit', () => {
  for (let i = 0; i < 65_536; i++) functions.name(0xffff_ffff_8100_1000n + BigInt(i));
  expect([functions.resolved().size, functions.forgotten]).toEqual([65_536, 0]);
  expect(functions.name(0xffff_ffff_8100_1000n + 65_536n)).toBe('ip_error');
  expect([functions.resolved().size, functions.forgotten]).toEqual([65_536, 1]);
});
