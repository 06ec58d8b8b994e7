import { expect, it } from 'vitest';
import { functionIn } from '../../src/source/kernel-function-lookup.js';

const END = 0xffff_ffff_8200_0000n;
const IN_TEXT = END - 1n;

it.each([
  ['ip_error', IN_TEXT, END, 'ip_error'],
  ['ip_rcv.cold', IN_TEXT, END, 'ip_rcv.cold'],
  ['nft_do_chain [nf_tables]', END + 0x3e40_0123n, END, 'nft_do_chain'],
  // arm64 has modules below the kernel.
  ['nft_do_chain [nf_tables]', 0xffff_8000_0000_0000n, END, 'nft_do_chain'],
  ['0xffffffff80000000', 0xffff_ffff_8000_0000n, END, null],
  ['0x0', 0n, END, null],
  ['', IN_TEXT, END, null],
  // A variable, a BPF program.
  ['jiffies', END, END, null],
  ['bpf_prog_6deef7357e7b4530_on_drop', END + 0x3e40_0123n, END, null],
  // What follows is no module.
  ['jiffies (timer.c:1)', END, END, null],
  // The text did not fit.
  ['nft_do_chain [nf_tab', END, END, 'nft_do_chain'],
  // Addresses are kept from this process: the name has to do.
  ['ip_error', IN_TEXT, null, 'ip_error'],
  ['0xffffffff80000000', 0xffff_ffff_8000_0000n, null, null],
])('%j at %i, with the text up to %i, is %s', (text, address, end, name) => {
  expect(functionIn(text, address, end)).toBe(name);
});
