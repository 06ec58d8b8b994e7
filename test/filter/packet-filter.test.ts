import { compilePacketFilter } from 'ebpf-ts';
import { describe, expect, it } from 'vitest';
import { ClassicBpfError } from '../../src/filter/classic-bpf.js';
import { MAX_FILTER_LENGTH, PacketFilter } from '../../src/filter/packet-filter.js';
import { UsageError } from '../../src/model/errors.js';
import { decodeEthernet, decodeIp } from '../../src/packet/decode.js';
import { DecodedPacket } from '../../src/packet/decoded-packet.js';
import { FIXTURES } from '../packet/fixtures.js';
import { viewOf } from '../packet/hex.js';

const SNAP_LENGTH = 176;

/** Names of the fixtures that match, each put at an offset and cut as the kernel would. */
function matching(expression: string): string[] {
  const filter = new PacketFilter(expression, compilePacketFilter);
  const p = new DecodedPacket();
  return FIXTURES.filter(({ link, bytes, wireLength }) => {
    const length = Math.min(SNAP_LENGTH, bytes.length);
    const frameLength = wireLength ?? bytes.length;
    const record = new Uint8Array(100 + bytes.length);
    record.set(bytes, 100);
    const view = viewOf(record);
    const decode = link === 'ethernet' ? decodeEthernet : decodeIp;
    decode(p, view, 100, length, frameLength);
    return filter.matches(view, 100, length, link === 'ethernet', frameLength, p);
  }).map(({ name }) => name);
}

const ENCAPSULATED_ECHO = [
  'IPIP on the wire, 118 bytes',
  'IPv4 in IPv6',
  'GRE carrying IPv4',
  'GRE carrying Ethernet',
  'VXLAN on the wire, 148 bytes',
  'Geneve with options, carrying Ethernet',
  'VXLAN inside IPIP: the nearest encapsulation, and how many there are',
  'IPIP inside VXLAN: nothing of the VXLAN is left over',
  'first fragment of an IPIP packet: the inner length goes past it',
];

describe('PacketFilter', () => {
  it('finds the innermost packet in every encapsulation', () => {
    const found = matching('icmp[icmptype] == icmp-echo and dst host 10.244.146.205');
    expect(found).toEqual([
      'ICMP echo request on a veth, 98 bytes',
      ...['VLAN 100, priority 5', 'stacked VLANs 200 and 100'],
      ...ENCAPSULATED_ECHO,
    ]);
  });

  it('finds the tunnel itself on the device', () => {
    expect(matching('udp dst port 4789 and src host 192.168.100.111')).toEqual([
      'VXLAN on the wire, 148 bytes',
      'ARP inside VXLAN',
      'something else on the VXLAN port: the VNI flag is missing',
      'IPIP inside VXLAN: nothing of the VXLAN is left over',
    ]);
    expect(matching('ip proto 4 and dst host 2.2.2.2')).toEqual([
      'VXLAN inside IPIP: the nearest encapsulation, and how many there are',
    ]);
  });

  it('finds IPv6 inside IPv4 and the other way round', () => {
    expect(matching('ip6 and tcp port 80 and src host fd00:244::99cc')).toEqual([
      'IPv6 TCP',
      'SIT: IPv6 in IPv4',
      'IPv6 in IPv6, with the tunnel encapsulation limit option',
      'GRE with checksum, key and sequence, carrying IPv6',
      'VXLAN over IPv6 on the old port, inner VLAN, IPv6 inside',
      'Geneve carrying IPv6 without an Ethernet header',
    ]);
  });

  it('takes len as that of the frame and of the innermost packet', () => {
    expect(matching('len == 118')).toEqual(['IPIP on the wire, 118 bytes']);
    expect(matching('icmp and len == 84')).toEqual(
      expect.arrayContaining(['IPIP on the wire, 118 bytes', 'VXLAN on the wire, 148 bytes']),
    );
    expect(matching('len > 100000')).toEqual([
      'IPv4 GSO packet beyond 64 KiB: length 0, taken from the frame',
      'IPv6 jumbogram',
    ]);
  });

  it('takes what exists on Ethernet alone, for Ethernet alone', () => {
    expect(matching('arp')).toEqual([
      'ARP request for the pod gateway',
      'ARP reply by proxy_arp, padded to 60 bytes',
    ]);
    expect(matching('vlan 100')).toEqual(['VLAN 100, priority 5']);
    expect(matching('ether src 52:54:00:dc:c7:b4 and udp')).toEqual([
      'UDP, its frame padded to 60 bytes',
      'VXLAN on the wire, 148 bytes',
    ]);
  });

  it('lets everything through when empty', () => {
    expect(matching('')).toHaveLength(FIXTURES.length);
  });

  it.each([
    ['tcp prot 80', "filter 'tcp prot 80': can't parse filter expression: syntax error"],
    ['ip and ip6', "filter 'ip and ip6': expression rejects all packets"],
    ['ip[1:3] = 1', "filter 'ip[1:3] = 1': data size must be 1, 2, or 4"],
  ])('refuses %s in the words of libpcap', (expression, message) => {
    expect(() => new PacketFilter(expression, compilePacketFilter)).toThrow(
      expect.objectContaining({ code: 'FILTER_SYNTAX', message }),
    );
    expect(() => new PacketFilter(expression, compilePacketFilter)).toThrow(UsageError);
  });

  it('refuses an expression past the limit, before it is compiled', () => {
    const clause = 'port 1 or ';
    const long = clause.repeat(MAX_FILTER_LENGTH / clause.length + 1);
    expect(() => new PacketFilter(long, compilePacketFilter)).toThrow(
      expect.objectContaining({ code: 'FILTER_TOO_LONG' }),
    );
    const fits = 'ip'.padEnd(MAX_FILTER_LENGTH);
    expect(new PacketFilter(fits, compilePacketFilter).expression).toBe(fits);
  });

  it('does not take a broken compiler for a bad expression', () => {
    const broken = () => {
      throw Object.assign(new Error('no addon'), { code: 'BPF_ADDON_MISSING' });
    };
    expect(() => new PacketFilter('ip', broken)).toThrow('no addon');
    expect(() => new PacketFilter('ip', () => [])).toThrow(ClassicBpfError);
  });
});
