import { expect, it } from 'vitest';
import { decodeEthernet, decodeIp } from '../../src/packet/decode.js';
import { DecodedPacket } from '../../src/packet/decoded-packet.js';
import { encapsulationName } from '../../src/packet/encapsulation.js';
import { fc } from '../fixtures/properties.js';
import { viewOf } from './hex.js';
import { encode, type Ip, ipHeaderLength, overheadOf, packetModel } from './packet-model.js';

/** The four words of an address. */
function words(address: readonly number[]): number[] {
  const whole = [...Array<number>(16 - address.length).fill(0), ...address];
  return [0, 4, 8, 12].map((at) =>
    whole.slice(at, at + 4).reduce((value, octet) => value * 256 + octet, 0),
  );
}

function outerName(type: string, outer: Ip, inner: Ip): string {
  if (type === 'gretap') return 'gre';
  if (type !== 'ip') return type;
  if (outer.family === 6) return 'ip6tnl';
  return inner.family === 4 ? 'ipip' : 'sit';
}

it('decodes any stack of headers to what it was built from', () => {
  const p = new DecodedPacket();
  fc.assert(
    fc.property(packetModel, fc.nat(64), (model, offset) => {
      const packet = encode(model);
      const bytes = new Uint8Array(offset + packet.length);
      bytes.set(packet, offset);
      const decode = model.mac === null ? decodeIp : decodeEthernet;
      decode(p, viewOf(bytes), offset, packet.length, packet.length);

      const { ip, transport, tunnels } = model;
      const link = model.mac === null ? 0 : 14 + 4 * model.vlans.length;
      const inner = offset + link + tunnels.reduce((sum, one) => sum + overheadOf(one), 0);
      expect(p).toMatchObject({
        ...{ error: 0, truncated: false, depth: tunnels.length },
        ...{ family: ip.family, ttl: ip.ttl, tos: ip.tos, innerOffset: inner },
        ...{ ipLength: offset + packet.length - inner, payloadLength: model.payload },
        ...{ dontFragment: ip.family === 6 || ip.dontFragment, ipId: ip.family === 4 ? ip.id : -1 },
        transportOffset: inner + ipHeaderLength(ip),
        hasMac: model.mac !== null,
        vlanId: model.mac === null ? -1 : (model.vlans[0] ?? -1),
        vlanInnerId: model.mac === null ? -1 : (model.vlans[1] ?? -1),
      });
      expect([p.src0, p.src1, p.src2, p.src3]).toEqual(words(ip.src));
      expect([p.dst0, p.dst1, p.dst2, p.dst3]).toEqual(words(ip.dst));
      if (transport.type === 'echo') {
        const expected = { icmpId: transport.id, icmpSeq: transport.seq, sport: -1, dport: -1 };
        expect(p).toMatchObject(expected);
      } else {
        expect([p.sport, p.dport]).toEqual(transport.ports);
        expect(p.tcpSeq).toBe(transport.type === 'tcp' ? transport.seq : 0);
      }
      const last = tunnels.at(-1);
      if (last === undefined) {
        expect(p).toMatchObject({ outerType: 0, outerFamily: 0, overhead: 0, vni: -1 });
        return;
      }
      const overUdp = last.type === 'vxlan' || last.type === 'geneve';
      expect(encapsulationName(p.outerType)).toBe(outerName(last.type, last.ip, ip));
      expect([p.outerSrc0, p.outerSrc1, p.outerSrc2, p.outerSrc3]).toEqual(words(last.ip.src));
      expect([p.outerDst0, p.outerDst1, p.outerDst2, p.outerDst3]).toEqual(words(last.ip.dst));
      expect(p).toMatchObject({
        ...{ outerFamily: last.ip.family, outerTtl: last.ip.ttl, outerTos: last.ip.tos },
        ...{ overhead: overheadOf(last), outerOffset: inner - overheadOf(last) },
        outerSport: overUdp ? last.sport : -1,
        vni: overUdp ? last.id : -1,
        greKey: last.type === 'gre' || last.type === 'gretap' ? last.id : -1,
        hasInnerMac: last.type !== 'ip' && last.type !== 'gre',
      });
    }),
    { numRuns: 600 },
  );
}, 60_000);
