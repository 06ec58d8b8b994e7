import { fc } from '../fixtures/properties.js';

/** A packet as a list of what it is made of, outermost first. */
export interface PacketModel {
  readonly mac: { readonly dst: readonly number[]; readonly src: readonly number[] } | null;
  readonly vlans: readonly number[];
  readonly tunnels: readonly Tunnel[];
  readonly ip: Ip;
  readonly transport: Transport;
  readonly payload: number;
}

export interface Ip {
  readonly family: 4 | 6;
  readonly src: readonly number[];
  readonly dst: readonly number[];
  readonly ttl: number;
  readonly tos: number;
  readonly id: number;
  readonly dontFragment: boolean;
  /** Options of IPv4 in words, or destination options of IPv6 in 8 bytes. */
  readonly extra: number;
}

export type TunnelType = 'ip' | 'gre' | 'gretap' | 'vxlan' | 'geneve';

export interface Tunnel {
  readonly type: TunnelType;
  readonly ip: Ip;
  /** VNI or GRE key. */
  readonly id: number;
  readonly sport: number;
  /** Words of Geneve options. */
  readonly options: number;
}

export type Transport =
  | { readonly type: 'tcp'; readonly ports: readonly [number, number]; readonly seq: number }
  | { readonly type: 'udp'; readonly ports: readonly [number, number] }
  | { readonly type: 'echo'; readonly id: number; readonly seq: number };

/** Ports that mean a tunnel are left to tunnels. */
const TUNNEL_PORTS: ReadonlySet<number> = new Set([4789, 8472, 6081, 51820, 51821]);

const octet = fc.nat(0xff);
const mac = fc.array(octet, { minLength: 6, maxLength: 6 });
const port = fc.nat(0xffff).filter((value) => !TUNNEL_PORTS.has(value));

const ip: fc.Arbitrary<Ip> = fc.constantFrom<4 | 6>(4, 6).chain((family) =>
  fc.record({
    family: fc.constant(family),
    src: fc.array(octet, { minLength: family === 4 ? 4 : 16, maxLength: family === 4 ? 4 : 16 }),
    dst: fc.array(octet, { minLength: family === 4 ? 4 : 16, maxLength: family === 4 ? 4 : 16 }),
    ttl: octet,
    tos: octet,
    id: fc.nat(0xffff),
    dontFragment: fc.boolean(),
    extra: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: family === 4 ? 10 : 3 })),
  }),
);

const tunnel: fc.Arbitrary<Tunnel> = fc.record({
  type: fc.constantFrom<TunnelType>('ip', 'gre', 'gretap', 'vxlan', 'geneve'),
  ip,
  id: fc.nat(0xffffff),
  sport: fc.nat(0xffff),
  options: fc.nat(6),
});

const transport: fc.Arbitrary<Transport> = fc.oneof(
  fc.record({
    type: fc.constant('tcp' as const),
    ports: fc.tuple(port, port),
    seq: fc.integer({ min: 0, max: 0xffffffff }),
  }),
  fc.record({ type: fc.constant('udp' as const), ports: fc.tuple(port, port) }),
  fc.record({ type: fc.constant('echo' as const), id: fc.nat(0xffff), seq: fc.nat(0xffff) }),
);

export const packetModel: fc.Arbitrary<PacketModel> = fc.record({
  mac: fc.option(fc.record({ dst: mac, src: mac })),
  vlans: fc.array(fc.nat(0xfff), { maxLength: 2 }),
  tunnels: fc.array(tunnel, { maxLength: 4 }),
  ip,
  transport,
  payload: fc.nat(300),
});

const INNER_MAC_DST = [0x02, 0, 0, 0, 0, 0x02];
const INNER_MAC_SRC = [0x02, 0, 0, 0, 0, 0x01];

const u16 = (value: number) => [(value >> 8) & 0xff, value & 0xff];
const u32 = (value: number) => [...u16(value >>> 16), ...u16(value & 0xffff)];

/** The bytes of a packet, built from the inside out. */
export function encode(model: PacketModel): Uint8Array {
  let bytes = encodeIp(model.ip, ...encodeTransport(model));
  let family = model.ip.family;
  for (const { type, ip: outer, id, sport, options } of [...model.tunnels].reverse()) {
    const etherType = u16(family === 4 ? 0x0800 : 0x86dd);
    const framed = [...INNER_MAC_DST, ...INNER_MAC_SRC, ...etherType, ...bytes];
    switch (type) {
      case 'ip':
        bytes = encodeIp(outer, family === 4 ? 4 : 41, bytes);
        break;
      case 'gre':
        bytes = encodeIp(outer, 47, [0x20, 0, ...etherType, ...u32(id), ...bytes]);
        break;
      case 'gretap':
        bytes = encodeIp(outer, 47, [0x20, 0, 0x65, 0x58, ...u32(id), ...framed]);
        break;
      case 'vxlan':
        bytes = encodeIp(
          outer,
          17,
          encodeUdp(sport, 4789, [8, 0, 0, 0, ...u32(id << 8), ...framed]),
        );
        break;
      case 'geneve': {
        const header = [options, 0, 0x65, 0x58, ...u32(id << 8), ...Array(options * 4).fill(0x11)];
        bytes = encodeIp(outer, 17, encodeUdp(sport, 6081, [...header, ...framed]));
        break;
      }
      default:
        throw new Error(`no tunnel ${String(type)}`);
    }
    family = outer.family;
  }
  if (model.mac !== null) {
    const tags = model.vlans.flatMap((id) => [0x81, 0x00, ...u16(id)]);
    const etherType = u16(family === 4 ? 0x0800 : 0x86dd);
    bytes = [...model.mac.dst, ...model.mac.src, ...tags, ...etherType, ...bytes];
  }
  return Uint8Array.from(bytes);
}

function encodeUdp(sport: number, dport: number, payload: readonly number[]): number[] {
  return [...u16(sport), ...u16(dport), ...u16(payload.length + 8), 0, 0, ...payload];
}

function encodeTransport({
  transport: layer,
  payload,
  ip: { family },
}: PacketModel): [number, number[]] {
  const data = Array<number>(payload).fill(0xd5);
  switch (layer.type) {
    case 'tcp': {
      const ports = layer.ports.flatMap(u16);
      return [6, [...ports, ...u32(layer.seq), ...u32(1), 0x50, 0x18, 1, 0, 0, 0, 0, 0, ...data]];
    }
    case 'udp':
      return [17, encodeUdp(...layer.ports, data)];
    case 'echo': {
      const type = family === 4 ? 8 : 128;
      return [family === 4 ? 1 : 58, [type, 0, 0, 0, ...u16(layer.id), ...u16(layer.seq), ...data]];
    }
    default:
      throw new Error(`no transport ${JSON.stringify(layer)}`);
  }
}

function encodeIp(header: Ip, protocol: number, payload: readonly number[]): number[] {
  const { src, dst, ttl, tos, id, dontFragment, extra } = header;
  if (header.family === 4) {
    const length = 20 + extra * 4;
    return [
      ...[0x40 | (length / 4), tos, ...u16(length + payload.length), ...u16(id)],
      ...[dontFragment ? 0x40 : 0, 0, ttl, protocol, 0, 0, ...src, ...dst],
      ...Array<number>(extra * 4).fill(1),
      ...payload,
    ];
  }
  const options = Array.from({ length: extra }, (_, index) => [
    ...[index === extra - 1 ? protocol : 60, 0, 1, 4, 0, 0, 0, 0],
  ]).flat();
  const next = extra > 0 ? 60 : protocol;
  return [
    ...[
      0x60 | (tos >> 4),
      (tos & 0xf) << 4,
      0,
      0,
      ...u16(options.length + payload.length),
      next,
      ttl,
    ],
    ...[...src, ...dst, ...options, ...payload],
  ];
}

/** Bytes of an IP header with its options or extension headers. */
export function ipHeaderLength({ family, extra }: Ip): number {
  return family === 4 ? 20 + extra * 4 : 40 + extra * 8;
}

/** Bytes a tunnel adds in front of the packet inside. */
export function overheadOf({ type, ip: outer, options }: Tunnel): number {
  const header = { ip: 0, gre: 8, gretap: 22, vxlan: 30, geneve: 30 + options * 4 }[type];
  return ipHeaderLength(outer) + header;
}
