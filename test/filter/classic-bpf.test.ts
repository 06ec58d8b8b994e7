import { compilePacketFilter } from 'ebpf-ts';
import { describe, expect, it } from 'vitest';
import {
  ClassicBpf,
  ClassicBpfError,
  type ClassicBpfInstruction,
  MAX_BACKWARD_JUMPS,
  MAX_CLASSIC_BPF_INSTRUCTIONS,
} from '../../src/filter/classic-bpf.js';
import { fc } from '../fixtures/properties.js';
import { FIXTURES } from '../packet/fixtures.js';
import { hex, viewOf } from '../packet/hex.js';
import { libpcapVerdict } from './libpcap-verdict.js';
import { LINKTYPE_ETHERNET, LINKTYPE_RAW, writePcap } from './pcap-file.js';

const op = (code: number, k = 0, jt = 0, jf = 0): ClassicBpfInstruction => ({ code, jt, jf, k });
const RET_A = op(0x16);
const ACCEPT = op(0x06, 1);
const REJECT = op(0x06, 0);

const BYTES = viewOf(hex('01 02 03 04 45 fe ff ff ff ff'));

/** The verdict of a program on BYTES. */
function verdict(program: readonly ClassicBpfInstruction[], length = 10, wireLength = 10): boolean {
  return new ClassicBpf(program).run(BYTES, 0, length, wireLength);
}

/** Whether A is `expected` after the program: A is compared with it. */
function leaves(program: readonly ClassicBpfInstruction[], expected: number): boolean {
  return verdict([...program, op(0x15, expected >>> 0, 0, 1), ACCEPT, REJECT]);
}

function codeOf(program: readonly ClassicBpfInstruction[]): string {
  try {
    new ClassicBpf(program);
  } catch (error) {
    expect(error).toBeInstanceOf(ClassicBpfError);
    return (error as ClassicBpfError).code;
  }
  return 'none';
}

describe('classic BPF operations', () => {
  it.each([
    ['ld [4]', [op(0x20, 4)], 0x45feffff],
    ['ldh [4]', [op(0x28, 4)], 0x45fe],
    ['ldb [4]', [op(0x30, 4)], 0x45],
    ['ld [x + 2]', [op(0x01, 4), op(0x40, 2)], 0xffffffff],
    ['ldh [x + 2]', [op(0x01, 1), op(0x48, 2)], 0x0445],
    ['ldb [x + 2]', [op(0x01, 1), op(0x50, 2)], 0x04],
    ['ld #k', [op(0x00, 0xffffffff)], 0xffffffff],
    ['ld #len', [op(0x80)], 10],
    ['ldx #len; txa', [op(0x81), op(0x87)], 10],
    ['ldxb 4*([4]&0xf); txa', [op(0xb1, 4), op(0x87)], 20],
    ['st M[15]; ld M[15]', [op(0x00, 7), op(0x02, 15), op(0x00, 0), op(0x60, 15)], 7],
    ['stx M[0]; ldx M[0]', [op(0x01, 9), op(0x03), op(0x01, 1), op(0x61), op(0x87)], 9],
    ['ld M[3], never written', [op(0x60, 3)], 0],
    ['tax; txa', [op(0x00, 5), op(0x07), op(0x00, 6), op(0x87)], 5],
    ['add #k wraps', [op(0x00, 0xffffffff), op(0x04, 2)], 1],
    ['add x', [op(0x00, 3), op(0x01, 4), op(0x0c)], 7],
    ['sub #k wraps', [op(0x00, 1), op(0x14, 2)], 0xffffffff],
    ['sub x', [op(0x00, 9), op(0x01, 4), op(0x1c)], 5],
    ['mul #k wraps', [op(0x00, 0x10001), op(0x24, 0x10001)], 0x20001],
    ['mul x is exact', [op(0x00, 0xfffffff1), op(0x01, 0xffffff), op(0x2c)], 0xf100000f],
    ['div #k unsigned', [op(0x00, 0xfffffffe), op(0x34, 2)], 0x7fffffff],
    ['div x', [op(0x00, 7), op(0x01, 2), op(0x3c)], 3],
    ['mod #k', [op(0x00, 0xfffffffe), op(0x94, 7)], 0xfffffffe % 7],
    ['mod x', [op(0x00, 7), op(0x01, 4), op(0x9c)], 3],
    ['or #k', [op(0x00, 0x80000001), op(0x44, 2)], 0x80000003],
    ['or x', [op(0x00, 1), op(0x01, 2), op(0x4c)], 3],
    ['and #k', [op(0x00, 0xffffffff), op(0x54, 0xf0000000)], 0xf0000000],
    ['and x', [op(0x00, 3), op(0x01, 6), op(0x5c)], 2],
    ['xor #k', [op(0x00, 0xff), op(0xa4, 0xffffffff)], 0xffffff00],
    ['xor x', [op(0x00, 3), op(0x01, 6), op(0xac)], 5],
    ['lsh #k', [op(0x00, 1), op(0x64, 31)], 0x80000000],
    ['lsh #k beyond the word', [op(0x00, 1), op(0x64, 32)], 0],
    ['lsh x', [op(0x00, 1), op(0x01, 4), op(0x6c)], 16],
    ['lsh x beyond the word', [op(0x00, 1), op(0x01, 33), op(0x6c)], 0],
    ['rsh #k unsigned', [op(0x00, 0x80000000), op(0x74, 31)], 1],
    ['rsh #k beyond the word', [op(0x00, 0xffffffff), op(0x74, 40)], 0],
    ['rsh x', [op(0x00, 0xf0), op(0x01, 4), op(0x7c)], 15],
    ['rsh x beyond the word', [op(0x00, 0xf0), op(0x01, 0xffffffff), op(0x7c)], 0],
    ['neg', [op(0x00, 1), op(0x84)], 0xffffffff],
  ] as const)('%s', (_, program, expected) => {
    expect(leaves(program, expected)).toBe(true);
    expect(leaves(program, expected ^ 1)).toBe(false);
  });

  it.each([
    ['ja', [op(0x05, 1), REJECT, ACCEPT]],
    ['jeq #k', [op(0x00, 5), op(0x15, 5, 1, 0), REJECT, ACCEPT]],
    ['jeq x, not', [op(0x00, 5), op(0x01, 6), op(0x1d, 0, 0, 1), REJECT, ACCEPT]],
    ['jgt #k, unsigned', [op(0x00, 0xffffffff), op(0x25, 1, 1, 0), REJECT, ACCEPT]],
    ['jgt #k, equal', [op(0x00, 5), op(0x25, 5, 0, 1), REJECT, ACCEPT]],
    ['jgt x', [op(0x00, 5), op(0x01, 4), op(0x2d, 0, 1, 0), REJECT, ACCEPT]],
    ['jge #k, equal', [op(0x00, 5), op(0x35, 5, 1, 0), REJECT, ACCEPT]],
    ['jge x, less', [op(0x00, 5), op(0x01, 6), op(0x3d, 0, 0, 1), REJECT, ACCEPT]],
    ['jset #k', [op(0x00, 0x80000000), op(0x45, 0x80000000, 1, 0), REJECT, ACCEPT]],
    ['jset x, none', [op(0x00, 4), op(0x01, 3), op(0x4d, 0, 0, 1), REJECT, ACCEPT]],
    ['ret a', [op(0x00, 0x80000000), RET_A]],
  ] as const)('%s', (_, program) => {
    expect(verdict(program)).toBe(true);
  });

  it('rejects on return of 0', () => {
    expect(verdict([REJECT])).toBe(false);
    expect(verdict([op(0x00, 0), RET_A])).toBe(false);
  });

  it.each([
    ['ld', op(0x20, 6), op(0x20, 7)],
    ['ldh', op(0x28, 8), op(0x28, 9)],
    ['ldb', op(0x30, 9), op(0x30, 10)],
    ['ldxb', op(0xb1, 9), op(0xb1, 10)],
    ['ld far away', op(0x20, 6), op(0x20, 0xfffffffe)],
  ])('%s accepts the last bytes there are and rejects one further', (_, inside, outside) => {
    expect(verdict([inside, ACCEPT])).toBe(true);
    expect(verdict([outside, ACCEPT])).toBe(false);
  });

  it.each([
    ['ld', op(0x40, 0), 6],
    ['ldh', op(0x48, 0), 8],
    ['ldb', op(0x50, 0), 9],
  ])('%s [x] likewise', (_, load, last) => {
    expect(verdict([op(0x01, last), load, ACCEPT])).toBe(true);
    expect(verdict([op(0x01, last + 1), load, ACCEPT])).toBe(false);
    expect(verdict([op(0x01, 0xffffffff), load, ACCEPT])).toBe(false);
    expect(verdict([op(0x01, 0xffffffff), { ...load, k: 0xffffffff }, ACCEPT])).toBe(false);
  });

  it('goes by the bytes that are there for loads and by the wire for len', () => {
    expect(verdict([op(0x30, 5), ACCEPT], 5, 1500)).toBe(false);
    expect(verdict([op(0x80), op(0x15, 1500, 0, 1), ACCEPT, REJECT], 5, 1500)).toBe(true);
  });

  it('rejects at a division by a zero X', () => {
    expect(verdict([op(0x00, 1), op(0x01, 0), op(0x3c), ACCEPT])).toBe(false);
    expect(verdict([op(0x00, 1), op(0x01, 0), op(0x9c), ACCEPT])).toBe(false);
  });

  it(`goes back ${MAX_BACKWARD_JUMPS} times, and rejects the packet at one more`, () => {
    // Counts A down to 0 in a loop, one jump back for each but the last.
    const countdown = (from: number) => [
      op(0x00, from),
      op(0x14, 1),
      op(0x15, 0, 1, 0),
      op(0x05, -3 >>> 0),
      ACCEPT,
    ];
    expect(verdict(countdown(MAX_BACKWARD_JUMPS + 1))).toBe(true);
    expect(verdict(countdown(MAX_BACKWARD_JUMPS + 2))).toBe(false);
    expect(verdict([op(0x05, -1 >>> 0), ACCEPT])).toBe(false);
  });

  it('starts every packet with empty scratch memory', () => {
    // Accepts when M[0] was set before; sets it otherwise.
    const program = new ClassicBpf([
      op(0x60, 0),
      op(0x15, 7, 3, 0),
      op(0x00, 7),
      op(0x02, 0),
      REJECT,
      ACCEPT,
    ]);
    expect(program.run(BYTES, 0, 10, 10)).toBe(false);
    expect(program.run(BYTES, 0, 10, 10)).toBe(false);
  });
});

describe('classic BPF checks', () => {
  const long = (count: number) => [...Array<ClassicBpfInstruction>(count - 1).fill(op(0)), ACCEPT];

  it.each<[string, readonly ClassicBpfInstruction[]]>([
    ['BPF_EMPTY', []],
    ['BPF_TOO_LONG', long(MAX_CLASSIC_BPF_INSTRUCTIONS + 1)],
    ['none', long(MAX_CLASSIC_BPF_INSTRUCTIONS)],
    ['BPF_NO_RETURN', [op(0x00, 1)]],
    ['BPF_NO_RETURN', [ACCEPT, op(0x00, 1)]],
    ['BPF_UNKNOWN_OPCODE', [op(0xff), ACCEPT]],
    ['BPF_UNKNOWN_OPCODE', [op(0x106), ACCEPT]],
    ['BPF_UNKNOWN_OPCODE', [op(0x26), ACCEPT]],
    ['BPF_JUMP_RANGE', [op(0x15, 0, 0, 1), ACCEPT]],
    ['BPF_JUMP_RANGE', [op(0x15, 0, 255, 0), ACCEPT]],
    ['BPF_JUMP_RANGE', [op(0x05, 1), ACCEPT]],
    ['BPF_JUMP_RANGE', [op(0x05, -2 >>> 0), ACCEPT]],
    ['BPF_JUMP_RANGE', [op(0x05, 0x80000000), ACCEPT]],
    ['none', [op(0x05, -1 >>> 0), ACCEPT]],
    ['none', [op(0x05, 0), ACCEPT]],
    ['BPF_SCRATCH_RANGE', [op(0x02, 16), ACCEPT]],
    ['BPF_SCRATCH_RANGE', [op(0x03, 16), ACCEPT]],
    ['BPF_SCRATCH_RANGE', [op(0x60, 16), ACCEPT]],
    ['BPF_SCRATCH_RANGE', [op(0x61, 0xffffffff), ACCEPT]],
    ['BPF_DIVISION_BY_ZERO', [op(0x34, 0), ACCEPT]],
    ['BPF_DIVISION_BY_ZERO', [op(0x94, 0), ACCEPT]],
    ['BPF_FIELD_RANGE', [op(0x06, -1)]],
    ['BPF_FIELD_RANGE', [op(0x06, 2 ** 32)]],
    ['BPF_FIELD_RANGE', [op(0x06, Number.NaN)]],
    ['BPF_FIELD_RANGE', [op(-1), ACCEPT]],
    ['BPF_FIELD_RANGE', [op(0x15, 0, 256, 0), ACCEPT]],
    ['BPF_FIELD_RANGE', [op(0x15, 0, 0, 0.5), ACCEPT]],
  ])('%s', (code, program) => {
    expect(codeOf(program)).toBe(code);
  });

  it('ends and reads nothing outside, whatever program passes the checks', () => {
    const instruction = fc.record({
      code: fc.constantFrom(
        ...[0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x00, 0x60, 0x80, 0x01, 0x61, 0x81, 0xb1, 0x02],
        ...[0x03, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64],
        ...[0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35],
        ...[0x3d, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87],
      ),
      jt: fc.integer({ min: 0, max: 3 }),
      jf: fc.integer({ min: 0, max: 3 }),
      k: fc.oneof(
        fc.integer({ min: 0, max: 15 }),
        fc.integer({ min: -20, max: -1 }).map((k) => k >>> 0),
        fc.integer({ min: 0, max: 0xffffffff }),
      ),
    });
    let run = 0;
    fc.assert(
      fc.property(
        fc.array(instruction, { maxLength: 30 }),
        fc.uint8Array({ maxLength: 64 }),
        fc.nat(80),
        (instructions, bytes, offset) => {
          let program: ClassicBpf;
          try {
            program = new ClassicBpf([...instructions, ACCEPT, ACCEPT, ACCEPT, ACCEPT]);
          } catch (error) {
            expect(error).toBeInstanceOf(ClassicBpfError);
            return;
          }
          run++;
          expect(typeof program.run(viewOf(bytes), offset, 64, 64)).toBe('boolean');
        },
      ),
      { numRuns: 3000 },
    );
    expect(run).toBeGreaterThan(100);
  });
});

const LINKS = [
  {
    linkType: 'ethernet',
    number: LINKTYPE_ETHERNET,
    packets: FIXTURES.filter(({ link }) => link === 'ethernet'),
  },
  { linkType: 'raw', number: LINKTYPE_RAW, packets: FIXTURES.filter(({ link }) => link === 'ip') },
] as const;

/** Fixtures as captured: whole, and cut where a small snap length would. */
function captured(packets: (typeof LINKS)[number]['packets']) {
  return packets.flatMap(({ bytes, wireLength }) =>
    [bytes.length, 60, 40, 21].map((length) => ({
      bytes: bytes.slice(0, length),
      wireLength: Math.max(wireLength ?? 0, bytes.length),
    })),
  );
}

const FILES = LINKS.map(({ linkType, number, packets }) => {
  const all = captured(packets);
  return { linkType, packets: all, file: writePcap(number, all) };
});

/** Asserts that libpcap and the interpreter let the same packets through. */
function compare(expression: string): number {
  let accepted = 0;
  for (const { linkType, packets, file } of FILES) {
    const expected = libpcapVerdict(file, expression);
    let program: ClassicBpf | null = null;
    try {
      program = new ClassicBpf(compilePacketFilter(expression, { linkType }));
    } catch (error) {
      expect((error as { code?: unknown }).code, expression).toBe('PCAP_SYNTAX');
    }
    expect(program === null, `${linkType}: ${expression}`).toBe(expected === null);
    if (program === null) continue;
    const ours: number[] = [];
    packets.forEach(({ bytes, wireLength }, index) => {
      if (program.run(viewOf(bytes), 0, bytes.length, wireLength)) ours.push(index);
    });
    expect(ours, `${linkType}: ${expression}`).toEqual(expected);
    accepted += ours.length;
  }
  return accepted;
}

describe('verdicts of libpcap', () => {
  it.each([
    '',
    'ip',
    'ip6',
    'tcp',
    'udp',
    'icmp',
    'icmp6',
    'tcp or udp port 4789',
    'not tcp',
    'host 10.244.146.205',
    'src host 192.168.100.111 and not udp',
    'dst net 10.244.146.192/26',
    'net fd00:244::/64',
    'host fd00:244::99cc',
    'port 80',
    'src port 38610',
    'tcp dst port 8080',
    'portrange 4000-6100',
    'udp portrange 51820-51830',
    'proto 4',
    'ip proto 47 or ip6 proto 60',
    'ip6 protochain 17',
    'ip6 protochain 6',
    'ip protochain 6',
    'protochain 17 and not port 53',
    'tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn',
    'tcp[13] & 0x10 != 0 and tcp[14:2] > 500',
    'icmp[icmptype] == icmp-echo',
    'icmp6[0] == 2',
    'ip[6:2] & 0x1fff != 0',
    'ip[6] & 0x20 != 0',
    '(ip[0] & 0xf) > 5',
    'ip[2:2] > 100',
    'len > 100',
    'greater 100 and less 200',
    'len <= 60',
    'ip multicast',
    'ip6 multicast',
    'udp[8:4] & 0x08000000 != 0',
    'ip[1000] == 0',
    'ip[8] / (ip[9] - ip[9]) > 0',
    'ip[8] % (ip[9] - ip[9]) == 0',
  ])('of %s', (expression) => {
    expect(compare(expression)).toBeGreaterThanOrEqual(0);
  });

  it.each([
    'arp',
    'arp and arp[6:2] == 2',
    'ether host 52:54:00:dc:c7:b4',
    'ether dst ee:ee:ee:ee:ee:ee',
    'ether broadcast',
    'ether multicast',
    'ether proto 0x88cc',
    'vlan',
    'vlan 100',
    'vlan 200 and vlan 100',
    'vlan and icmp',
    'stp',
    'ether[0] & 1 = 0',
  ])('of %s, which exists on Ethernet alone', (expression) => {
    expect(compare(expression)).toBeGreaterThan(0);
  });

  it.each(['tcp port', 'foo', 'ip and ip6', '((', 'host', 'port 80 80', 'ip[1:3] = 1'])(
    'of %s, which is none',
    (expression) => {
      for (const { linkType, file } of FILES) {
        expect(libpcapVerdict(file, expression)).toBeNull();
        expect(() => compilePacketFilter(expression, { linkType })).toThrow();
      }
    },
  );

  it('of arithmetic nobody would write', () => {
    const leaf = fc.oneof(
      fc.nat(70).map(String),
      fc.constantFrom('0xffffffff', '0x80000000', '65537', 'len'),
      fc
        .tuple(fc.constantFrom('ip', 'ip6', 'tcp', 'udp'), fc.nat(24), fc.constantFrom(1, 2, 4))
        .map(([proto, at, size]) => `${proto}[${at}:${size}]`),
    );
    const { sum } = fc.letrec<{ sum: string }>((tie) => ({
      sum: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc
          .tuple(
            tie('sum'),
            fc.constantFrom('+', '-', '*', '/', '%', '&', '|', '^', '<<', '>>'),
            tie('sum'),
          )
          .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
      ),
    }));
    const relation = fc
      .tuple(sum, fc.constantFrom('=', '!=', '>', '<', '>=', '<='), sum)
      .map(([left, operator, right]) => `${left} ${operator} ${right}`);
    fc.assert(
      fc.property(relation, fc.constantFrom('', 'not '), (text, not) => {
        compare(`${not}${text}`);
      }),
      { numRuns: 120 },
    );
  }, 60_000);
});
