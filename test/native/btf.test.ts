import { execFileSync } from 'node:child_process';
import { Btf } from 'ebpf-ts';
import { expect, test } from 'vitest';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';

test('lays out a struct of an object file', () => {
  const btf = Btf.fromObject(compileProgram('sample'));
  const layout = btf.structLayout('sample_record');
  expect(layout.size).toBe(80);
  expect(layout.members.map(({ name, offset, size, type }) => [name, offset, size, type])).toEqual([
    ['time', 0, 8, 'u64'],
    ['length', 8, 4, 'u32'],
    ['name', 12, 16, 'char[16]'],
    ['raw', 28, 12, 'u8[3][4]'],
    ['colour', 40, 4, 'enum sample_colour'],
    ['inner', 44, 8, 'struct sample_inner[2]'],
    ['', 52, 4, 'union'],
    ['flag', 56, 4, 'u32'],
    ['rest', 56, 4, 'u32'],
    ['where', 64, 8, 'pointer'],
    ['truth', 72, 1, 'bool'],
  ]);
  const member = (name: string) => layout.members.find((found) => found.name === name);
  expect(member('raw')?.count).toBe(12);
  expect(member('time')).not.toHaveProperty('count');
  expect(member('inner')?.struct).toEqual({
    size: 4,
    members: [
      { name: 'low', offset: 0, size: 2, type: 'u16' },
      { name: 'high', offset: 2, size: 2, type: 'u16' },
    ],
  });
  expect(member('')?.struct?.members.map(({ name, type }) => [name, type])).toEqual([
    ['word', 'u32'],
    ['half', 's16'],
  ]);
  expect([member('flag')?.bitOffset, member('flag')?.bitSize]).toEqual([0, 3]);
  expect([member('rest')?.bitOffset, member('rest')?.bitSize]).toEqual([3, 29]);
  btf.close();
});

test('gives the values of an enum in their order', () => {
  const btf = Btf.fromObject(compileProgram('sample'));
  const values = btf.enumValues('sample_colour');
  expect([...values.keys()]).toEqual(['SAMPLE_RED', 'SAMPLE_GREEN']);
  expect(values.get('SAMPLE_RED')).toBe(1);
  // Clang before 15 does not record the sign, so its -2 is 2^32 - 2.
  expect([-2, 2 ** 32 - 2]).toContain(values.get('SAMPLE_GREEN'));
  btf.close();
});

test("agrees with bpftool on the kernel's drop reasons", () => {
  const btf = Btf.kernel();
  const values = btf.enumValues('skb_drop_reason');
  const dumped = execFileSync('bpftool', ['btf', 'dump', 'file', '/sys/kernel/btf/vmlinux'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const start = dumped.indexOf("ENUM 'skb_drop_reason'");
  const block = dumped.slice(start, dumped.indexOf('\n[', start));
  const expected = [...block.matchAll(/'(SKB_\w+)' val=(\d+)/g)].map(([, name, value]) => [
    name,
    Number(value),
  ]);
  expect(expected.length).toBeGreaterThan(20);
  expect([...values]).toEqual(expected);
  btf.close();
});

test('knows what types the kernel has', () => {
  const btf = Btf.kernel();
  expect(btf.hasType('struct', 'sk_buff')).toBe(true);
  expect(btf.hasType('function', 'kfree_skb_list_reason')).toBe(true);
  expect(btf.hasType('typedef', 'btf_trace_kfree_skb')).toBe(true);
  expect(btf.hasType('struct', 'no_such_struct')).toBe(false);
  expect(btf.hasType('union', 'sk_buff')).toBe(false);
  expect(btf.structLayout('iphdr').size).toBe(20);
  btf.close();
});

test('reports what is missing, what is wrong and what is closed', () => {
  const btf = Btf.fromObject(compileProgram('sample'));
  bpfErrorOf(() => btf.structLayout('no_such_struct'), 'BPF_NOT_FOUND');
  bpfErrorOf(() => btf.enumValues('no_such_enum'), 'BPF_NOT_FOUND');
  bpfErrorOf(() => btf.enumValues(''), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => btf.hasType('class' as never, 'x'), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => Btf.fromObject('/nowhere/at-all.o'), 'ENOENT');
  bpfErrorOf(() => Btf.module('no_such_module'), 'ENOENT');
  btf.close();
  btf.close();
  bpfErrorOf(() => btf.structLayout('sample_record'), 'BPF_CLOSED');
  bpfErrorOf(() => btf.enumValues('sample_colour'), 'BPF_CLOSED');
  bpfErrorOf(() => btf.hasType('struct', 'sample_record'), 'BPF_CLOSED');
});
