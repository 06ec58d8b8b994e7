import { expect, test } from 'vitest';
import type { Path } from '../../src/join/path.js';
import { macText } from '../../src/packet/address-text.js';
import { Joining, nth } from '../fixtures/joined.js';
import { CALI1, TUNL111 } from '../fixtures/places.js';
import { Tape } from '../fixtures/tape.js';
import { FIXTURES, type Fixture } from '../packet/fixtures.js';
import type { Summary } from '../packet/summary.js';

const SNAP_LENGTH = 176;
/** What a fixture says of no field is as absent as the decoder has it. */
const ABSENT = { sport: -1, dport: -1, vni: -1, ttl: -1, ipId: -1, outerSport: -1, outerDport: -1 };
const WIREGUARD = 7;

function joinedOf(fixture: Fixture): { path: Path; joining: Joining } {
  const tape = new Tape();
  const first = fixture.bytes[0] ?? 0;
  const ethernet = fixture.link === 'ethernet';
  const etherType = ((fixture.bytes[12] ?? 0) << 8) | (fixture.bytes[13] ?? 0);
  tape.hop({
    stage: 'egress',
    time: tape.time,
    skb: tape.address(),
    head: tape.address(),
    frame: fixture.bytes,
    len: fixture.wireLength ?? fixture.bytes.byteLength,
    l3Offset: ethernet ? 14 : 0,
    protocol: ethernet ? etherType : first >> 4 === 6 ? 0x86dd : 0x0800,
    ...(ethernet ? CALI1 : TUNL111),
  });
  const joining = new Joining().end(tape);
  return { path: nth(joining.paths, 0), joining };
}

test.each(FIXTURES.filter(({ bytes }) => bytes.byteLength <= SNAP_LENGTH))(
  'a hop shows: $name',
  (fixture) => {
    const { path, joining } = joinedOf(fixture);
    const hop = nth(path.hops, 0);
    const say: Partial<Summary> = { ...ABSENT, ...fixture.expected };
    expect(hop.len).toBe(fixture.wireLength ?? fixture.bytes.byteLength);
    expect(joining.joiner.counters.malformed.size).toBe(0);
    if (say.isArp === true) {
      expect(hop.tuple?.protocolName).toBe('arp');
      expect(hop.tuple?.src).toBe(say.arpSenderIp);
      expect(hop.tuple?.dst).toBe(say.arpTargetIp);
    } else if (say.family === undefined) {
      expect(hop.tuple).toBeNull();
    } else {
      expect(hop.tuple).toMatchObject({
        family: say.family,
        protocol: say.protocol,
        src: say.src,
        dst: say.dst,
        sport: say.icmpType === undefined ? say.sport : (say.icmpId ?? -1),
        dport: say.icmpType === undefined ? say.dport : (say.icmpId ?? -1),
      });
    }
    expect(hop.ttl).toBe(say.ttl);
    expect(hop.ipId).toBe(say.ipId);
    if (say.outerType === undefined || say.outerType === WIREGUARD) {
      // With nothing known of what is inside, WireGuard is a datagram like others.
      expect(hop.outer).toBeNull();
    } else {
      expect(hop.outer).toMatchObject({
        type: say.outerType,
        src: say.outerSrc,
        dst: say.outerDst,
        sport: say.outerSport,
        dport: say.outerDport,
        vni: say.vni,
        overhead: say.overhead,
      });
    }
    if (say.hasMac === true) {
      const mac = hop.mac;
      expect(mac === null ? null : macText(mac.srcHi, mac.srcLo)).toBe(say.macSrc);
      expect(mac === null ? null : macText(mac.dstHi, mac.dstLo)).toBe(say.macDst);
    } else {
      expect(hop.mac).toBeNull();
    }
    expect(hop.vlanId).toBe(say.vlanId ?? -1);
    expect(path.quoted?.src ?? null).toBe(say.quotedSrc ?? null);
  },
);
