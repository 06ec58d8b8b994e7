import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { KernelSymbols, parseModules } from '../../src/source/kernel-symbols.js';

const MODULES = parseModules(
  'nf_tables 372736 12 nft_compat,nft_nat, Live 0xffffffffc0400000 (E)\n',
);

function parse(...lines: readonly string[]): KernelSymbols {
  return KernelSymbols.parse(Buffer.from(lines.join('\n')), MODULES);
}

const LINES = [
  'ffffffff81000000 T _stext',
  'ffffffff81001000 t ip_error',
  'ffffffff81002000 D jiffies',
  'ffffffff81003000 W nf_hook_slow',
  'ffffffff82000000 T _etext',
  'ffffffffc0400010 t nft_do_chain\t[nf_tables]',
  'ffffffffc0500000 t bpf_prog_1\t[bpf]',
];

describe('an address', () => {
  const symbols = parse(...LINES, '');

  it.each([
    [0xffff_ffff_8100_1000n, 'ip_error'],
    [0xffff_ffff_8100_1fffn, 'ip_error'],
    // A variable is no place to drop from.
    [0xffff_ffff_8100_2000n, 'ip_error'],
    [0xffff_ffff_8100_3000n, 'nf_hook_slow'],
    [0xffff_ffff_c040_0123n, 'nft_do_chain'],
    [0xffff_ffff_8100_0000n, '_stext'],
    [0xffff_ffff_80ff_ffffn, null],
    [0n, null],
    // Beyond the kernel's text, beyond the module's memory, in a module nobody knows.
    [0xffff_ffff_8200_0000n, null],
    [0xffff_ffff_c045_b000n, null],
    [0xffff_ffff_c050_0100n, null],
  ])('%i is in %s', (address, name) => {
    expect(symbols.find(address)).toBe(name);
  });

  it('counts functions only', () => {
    expect(symbols.size).toBe(6);
  });
});

it('needs no order: modules come as they were loaded', () => {
  const symbols = parse(...[...LINES].reverse());
  expect(symbols.size).toBe(6);
  expect(symbols.find(0xffff_ffff_8100_1004n)).toBe('ip_error');
  expect(symbols.find(0xffff_ffff_c040_0123n)).toBe('nft_do_chain');
  expect(symbols.find(0xffff_ffff_80ff_ffffn)).toBeNull();
});

it('knows nothing where the addresses are hidden: all of them are zero', () => {
  const symbols = parse(...LINES.map((line) => `${'0'.repeat(16)}${line.slice(16)}`));
  expect(symbols.size).toBe(0);
  expect(symbols.find(0xffff_ffff_8100_1000n)).toBeNull();
  expect(symbols.find(0n)).toBeNull();
});

it.each([
  ['nothing', ''],
  ['empty lines', '\n\n\n'],
  ['lines cut off', 'ffffffff81000000 T'],
  ['no addresses', 'not a line of kallsyms, T at all'],
  ['bytes', '\0\xff\xfe'.repeat(50)],
])('takes %s', (_, text) => {
  const symbols = KernelSymbols.parse(Buffer.from(text, 'latin1'));
  expect(symbols.find(0xffff_ffff_8100_1000n)).toBeNull();
});

it('finds what the running kernel says of itself', async () => {
  const path = '/proc/kallsyms';
  const symbols = KernelSymbols.load();
  const line = /^([0-9a-f]{16}) T (kfree_skb\w*)$/m.exec(readFileSync(path, 'utf8'));
  expect(line).not.toBeNull();
  const address = BigInt(`0x${line?.[1]}`);
  // Without privileges the kernel tells no address; then there is nothing to find.
  expect(symbols.find(address)).toBe(address === 0n ? null : line?.[2]);
  expect(symbols.size > 10_000).toBe(address !== 0n);
});

it('says why a file cannot be read', async () => {
  expect(() => KernelSymbols.load('/proc/no-such-file')).toThrow('ENOENT');
});

it('takes the list of modules as the kernel writes it, and nothing of what is not', () => {
  expect(MODULES).toEqual(new Map([['nf_tables', { start: 0xffffc0400000, end: 0xffffc045b000 }]]));
  // Without privileges all addresses are zero.
  expect(parseModules('nf_tables 372736 0 - Live 0x0000000000000000\nnot a line\n\n')).toEqual(
    new Map(),
  );
});
