import { execFileSync } from 'node:child_process';
import { compilePacketFilter, EXPRESSION_MAX, pcapVersion } from 'ebpf-ts';
import { expect, test } from 'vitest';
import { bpfErrorOf } from './expect-bpf-error.js';

/** What tcpdump makes of the expression: a count, then code, jt, jf and k a line. */
function tcpdump(expression: string, linkType: 'EN10MB' | 'RAW'): number[][] {
  const output = execFileSync('tcpdump', ['-ddd', '-s', '262144', '-y', linkType, expression], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return output
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(' ').map(Number));
}

test.each([
  'tcp port 80',
  'host 10.0.0.1 and not icmp',
  'ip6 and udp portrange 1000-2000',
  'vlan 5 and tcp[tcpflags] & tcp-syn != 0',
  'net 10.244.0.0/16 or greater 1000',
])('compiles "%s" as tcpdump does', (expression) => {
  const compiled = compilePacketFilter(expression, { linkType: 'ethernet' });
  expect(compiled.map(({ code, jt, jf, k }) => [code, jt, jf, k])).toEqual(
    tcpdump(expression, 'EN10MB'),
  );
});

test('compiles for packets without a link header', () => {
  const [load, ...rest] = compilePacketFilter('ip', { linkType: 'raw', snapLength: 96 });
  // ldb [0], the version nibble
  expect(load).toEqual({ code: 0x30, jt: 0, jf: 0, k: 0 });
  expect(rest.map((instruction) => instruction.k)).toContain(96);
});

test('accepts everything when the expression is empty', () => {
  expect(compilePacketFilter('', { linkType: 'raw', snapLength: 100 })).toEqual([
    { code: 6, jt: 0, jf: 0, k: 100 },
  ]);
});

test("gives libpcap's reason for refusing an expression", () => {
  const error = bpfErrorOf(
    () => compilePacketFilter('tcp prt 80', { linkType: 'raw' }),
    'PCAP_SYNTAX',
  );
  expect(error.message).toContain('syntax error');
  bpfErrorOf(() => compilePacketFilter('ether host 1', { linkType: 'raw' }), 'PCAP_SYNTAX');
  bpfErrorOf(() => compilePacketFilter('port 99999', { linkType: 'raw' }), 'PCAP_SYNTAX');
  // It goes on working afterwards.
  expect(compilePacketFilter('tcp', { linkType: 'raw' }).length).toBeGreaterThan(3);
});

test('survives expressions made to exhaust it', () => {
  const deep = (text: string, times: number) => text.repeat(times).slice(0, EXPRESSION_MAX);
  for (const expression of [
    `${deep('not ', 1000)}tcp`,
    `${deep('(', 2000)}tcp${deep(')', 2000)}`,
    deep('(', EXPRESSION_MAX),
    Array(300).fill('port 80').join(' or '),
  ]) {
    try {
      compilePacketFilter(expression, { linkType: 'ethernet' });
    } catch (error) {
      expect(error).toMatchObject({ code: 'PCAP_SYNTAX' });
    }
  }
  bpfErrorOf(
    () => compilePacketFilter('x'.repeat(EXPRESSION_MAX + 1), { linkType: 'raw' }),
    'BPF_BAD_ARGUMENT',
  );
});

test('refuses arguments of the wrong kind', () => {
  const wrong = (value: unknown) => value as never;
  bpfErrorOf(() => compilePacketFilter(wrong(5), { linkType: 'raw' }), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => compilePacketFilter('tcp', wrong(undefined)), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => compilePacketFilter('tcp', { linkType: wrong('wifi') }), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(
    () => compilePacketFilter('tcp', { linkType: 'raw', snapLength: 0 }),
    'BPF_BAD_ARGUMENT',
  );
  bpfErrorOf(() => compilePacketFilter('tcp\0udp', { linkType: 'raw' }), 'BPF_BAD_ARGUMENT');
});

test('names its libpcap', () => {
  expect(pcapVersion()).toMatch(/^libpcap version 1\.\d+/);
});
