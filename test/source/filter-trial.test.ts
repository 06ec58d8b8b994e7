import { compilePacketFilter } from 'ebpf-ts';
import { describe, expect, it } from 'vitest';
import { ClassicBpf, type ClassicBpfInstruction } from '../../src/filter/classic-bpf.js';
import { CLASSIC_OPCODES } from '../../src/filter/classic-opcodes.js';
import { kernelFilter, kernelProgram } from '../../src/filter/kernel-program.js';
import { PacketFilter } from '../../src/filter/packet-filter.js';
import { decodeEthernet, decodeIp } from '../../src/packet/decode.js';
import { DecodedPacket } from '../../src/packet/decoded-packet.js';
import { fc } from '../fixtures/properties.js';
import { mutateBytes } from '../fuzz/mutate.js';
import { Random } from '../fuzz/random.js';
import { FIXTURES } from '../packet/fixtures.js';
import { viewOf } from '../packet/hex.js';
import { FilterTrial, type Shown, SNAPSHOT_BYTES } from './filter-trial.js';

const ACCEPT: ClassicBpfInstruction = { code: 0x06, jt: 0, jf: 0, k: 1 };
const LINK = 14;
/** Packets made of fixtures, for each expression. */
const MUTANTS = 400;

const EXPRESSIONS = [
  '',
  'icmp',
  'not icmp',
  'ip6',
  'arp',
  'host 10.244.146.205',
  'not host 10.244.146.205',
  'net fd00:244::/64 and not tcp',
  'udp port 4789',
  'ip proto 47 or ip6 proto 60',
  'tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn',
  'tcp[13] & 0x10 != 0 and tcp[14:2] > 500',
  'ip[6:2] & 0x1fff != 0',
  'ip[8] / (ip[9] - 1) > 2 or ip[2:2] % ip[8] == 3',
  'ip[8] << ip[9] > 70000 or ip[8] >> (ip[9] & 3) == 16',
  '-ip[8] == 0xffffffc0',
  'greater 100 and less 200',
  'ip[300] == 0 or ip[1000:4] != 0 or icmp',
  'ether host 52:54:00:dc:c7:b4',
  'ether broadcast or ether multicast',
  'vlan 100 and icmp',
  Array.from({ length: 20 }, (_, i) => `(host 10.0.${i}.1 and port ${i})`).join(' or '),
];

/** Fixtures as a snapshot has them: whole, and cut. */
function snapshots(bytes: Uint8Array, isEthernet: boolean, wireLength: number): Shown[] {
  return [SNAPSHOT_BYTES, 60, 40, 21].map((length) => ({
    bytes: bytes.slice(0, Math.min(length, SNAPSHOT_BYTES)),
    l3Offset: isEthernet ? LINK : 0,
    wireLength: Math.max(wireLength, bytes.length),
  }));
}

const SHOWN = FIXTURES.flatMap(({ bytes, link, wireLength = 0 }) =>
  snapshots(bytes, link === 'ethernet', wireLength),
);

/** What user space says. */
function matches(filter: PacketFilter, { bytes, l3Offset, wireLength }: Shown): boolean {
  const p = new DecodedPacket();
  const decode = l3Offset >= LINK ? decodeEthernet : decodeIp;
  decode(p, viewOf(bytes), 0, bytes.length, wireLength);
  return filter.matches(viewOf(bytes), 0, bytes.length, l3Offset >= LINK, wireLength, p);
}

function withTrial<T>(expression: string, run: (trial: FilterTrial, filter: PacketFilter) => T): T {
  const filter = new PacketFilter(expression, compilePacketFilter);
  const trial = new FilterTrial(kernelFilter(filter));
  try {
    return run(trial, filter);
  } finally {
    trial.close();
  }
}

const isUnsure = (trial: FilterTrial, packet: Shown): boolean => trial.examine(packet).matched;

describe('a classic program in the kernel', () => {
  it('has the verdict of the interpreter, whatever its operations', () => {
    const instruction = fc.record({
      code: fc.constantFrom(...CLASSIC_OPCODES),
      jt: fc.nat(3),
      jf: fc.nat(3),
      k: fc.oneof(fc.nat(15), fc.constantFrom(31, 32, 172, 173, 175, 176, 0x7fffffff), fc.nat()),
    });
    const verdicts = [0, 0];
    fc.assert(
      fc.property(
        fc.array(instruction, { minLength: 1, maxLength: 24 }),
        fc.array(fc.uint8Array({ maxLength: SNAPSHOT_BYTES }), { minLength: 4, maxLength: 4 }),
        (instructions, packets) => {
          let program: ClassicBpf;
          try {
            program = new ClassicBpf([
              ...instructions,
              ...Array<ClassicBpfInstruction>(4).fill(ACCEPT),
            ]);
          } catch {
            return;
          }
          const body = kernelProgram(program.instructions);
          const trial = new FilterTrial({ ethernet: body, raw: body });
          for (const bytes of packets) {
            const expected = program.run(viewOf(bytes), 0, bytes.length, 1500);
            verdicts[Number(expected)] = (verdicts[Number(expected)] as number) + 1;
            expect(trial.raw({ bytes, l3Offset: 0, wireLength: 1500 })).toBe(expected);
          }
          trial.close();
        },
      ),
      { numRuns: 300 },
    );
    expect(Math.min(...verdicts)).toBeGreaterThan(20);
  });

  it.each(EXPRESSIONS)('has the verdict of the interpreter: %s', (expression) => {
    withTrial(expression, (trial, filter) => {
      const program = filter.program('raw');
      const interpreter = program === null ? null : new ClassicBpf(program);
      for (const packet of SHOWN) {
        const { bytes, wireLength } = packet;
        const expected = interpreter?.run(viewOf(bytes), 0, bytes.length, wireLength) ?? false;
        expect(trial.raw(packet)).toBe(expected);
      }
    });
  });
});

describe('a filter in the kernel', () => {
  it.each(EXPRESSIONS)('lets all pass that user space does: %s', (expression) => {
    withTrial(expression, (trial, filter) => {
      const random = new Random(expression.length);
      const corpus = FIXTURES.filter(({ link }) => link === 'ethernet').map(({ bytes }) => bytes);
      const packets = Array.from({ length: MUTANTS }, () =>
        mutateBytes(random.pick(corpus), random, corpus),
      ).flatMap((bytes) => snapshots(bytes, true, bytes.length));
      for (const packet of [...SHOWN, ...packets]) {
        if (!matches(filter, packet)) continue;
        expect(trial.examine(packet).matched, Buffer.from(packet.bytes).toString('hex')).toBe(true);
      }
    });
  });

  it('is unsure of extension headers and of tags inside a tunnel, which it lets pass', () => {
    const never = 'ether host 02:00:00:00:00:99 and ip[0] == 1';
    const unsure = withTrial(never, (trial) =>
      FIXTURES.filter(({ bytes, link, wireLength = 0 }) =>
        isUnsure(trial, snapshots(bytes, link === 'ethernet', wireLength)[0] as Shown),
      ).map(({ name }) => name),
    );
    expect(unsure).toEqual([
      'IPv6 with hop-by-hop, routing and destination options, then UDP',
      'first IPv6 fragment',
      'later IPv6 fragment, whose data begins with what names an extension header',
      'fragment of a fragment: the header met first counts, the transport header is elsewhere',
      'IPv6 authentication header, then TCP',
      'IPv6 in IPv6, with the tunnel encapsulation limit option',
      'VXLAN over IPv6 on the old port, inner VLAN, IPv6 inside',
      'IPv6 jumbogram',
    ]);
  });

  it('leaves out what user space would not show, but for those', () => {
    const never = 'ether host 02:00:00:00:00:99 and ip[0] == 1';
    const unsure = withTrial(never, (trial) => SHOWN.map((packet) => isUnsure(trial, packet)));
    for (const expression of ['icmp', 'not icmp', 'host 10.244.146.205', 'udp port 4789']) {
      withTrial(expression, (trial, filter) => {
        const more = SHOWN.filter(
          (packet, at) => !unsure[at] && isUnsure(trial, packet) && !matches(filter, packet),
        );
        // A packet between the outermost and the innermost is asked here alone.
        expect(more.length, expression).toBeLessThan(8);
      });
    }
  });

  it('knows a packet by what sampling knows it by', () => {
    withTrial('icmp', (trial) => {
      let known = 0;
      for (const { bytes, link } of FIXTURES) {
        const shown = { bytes: bytes.slice(0, SNAPSHOT_BYTES), wireLength: bytes.length };
        const packet = { ...shown, l3Offset: link === 'ethernet' ? LINK : 0 };
        const { identity, sampled } = trial.examine(packet);
        // Sampling leaves tags in the data alone.
        if (identity === 0n || sampled === 0n) continue;
        expect(identity).toBe(sampled);
        known += 1;
      }
      expect(known).toBeGreaterThan(20);
    });
  });
});
