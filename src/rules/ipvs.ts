/** Services of IPVS and their servers, in the text of `ipvsadm -Sn`. */
import type { RuleRecord } from 'hopscope-protocol';
import { type Address, parseAddress } from './address.js';
import type { Endpoints, Packet } from './packet.js';

export interface VirtualService {
  /** As ipvsadm writes it. */
  readonly text: string;
  readonly scheduler: string;
  readonly servers: { readonly address: Address; readonly port: number; readonly text: string }[];
}

/** By protocol, address and port. */
export type VirtualServices = ReadonlyMap<string, VirtualService>;

/** Where IPVS takes packets (net/netfilter/ipvs/ip_vs_core.c, ip_vs_ops4). */
export const IPVS_PRIORITY: Readonly<Partial<Record<string, number>>> = { input: 98, output: -99 };

const PROTOCOLS: Readonly<Record<string, number>> = {
  ...{ '-t': 6, '--tcp-service': 6, '-u': 17, '--udp-service': 17 },
  '--sctp-service': 132,
};
const SCHEDULERS: Readonly<Record<string, string>> = {
  ...{ rr: 'round robin', wrr: 'weighted round robin', lc: 'least connections' },
  ...{ wlc: 'weighted least connections', sh: 'source hash', dh: 'destination hash' },
};

export function parseIpvs(pieces: readonly string[]): VirtualServices {
  const services = new Map<string, VirtualService>();
  for (const line of pieces.join('\n').split('\n')) {
    const words = line.trim().split(/\s+/u);
    const [verb, kind = '', at = ''] = words;
    const protocol = PROTOCOLS[kind];
    const ends = endOf(at);
    if (protocol === undefined || ends === null) continue;
    const key = keyOf(protocol, ends.address, ends.port);
    if (verb === '-A') {
      const scheduler = words[words.indexOf('-s') + 1] ?? '';
      services.set(key, { text: line.trim(), scheduler, servers: [] });
    } else if (verb === '-a') {
      const text = words[words.indexOf('-r') + 1] ?? '';
      const server = endOf(text);
      if (server !== null) services.get(key)?.servers.push({ ...server, text });
    }
  }
  return services;
}

function endOf(text: string): { address: Address; port: number } | null {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/u.exec(text) ?? [];
  const address = parseAddress(bracketed ?? plain ?? '');
  return address === null ? null : { address, port: Number(port) };
}

function keyOf(protocol: number, address: Address, port: number | null): string {
  return `${protocol} ${address} ${port}`;
}

/** The service that a packet is for. */
export function serviceFor(
  services: VirtualServices,
  { protocol, dst, dport }: Packet,
): VirtualService | null {
  return services.get(keyOf(protocol, dst, dport)) ?? null;
}

/** That IPVS took a packet, and the server that it was seen to go to. Null where it went to none of them. */
export function ipvsRecord(
  service: VirtualService,
  family: RuleRecord['family'],
  next: Endpoints,
): RuleRecord | null {
  const { servers, scheduler, text } = service;
  const index = servers.findIndex(
    ({ address, port }) => address === next.dst && port === next.dport,
  );
  const server = servers[index];
  if (server === undefined) return null;
  const how = SCHEDULERS[scheduler] ?? scheduler;
  return {
    ...{ backend: 'ipvs', family, table: 'ipvs', chain: 'ipvs', rule: text },
    ...{
      position: null,
      handle: null,
      verdict: `dnat ${server.text}`,
      certainty: 'seen',
      of: null,
    },
    source: {
      ...{ kind: null, name: null },
      text: `real server ${index + 1} of ${servers.length}: ${server.text}, ${how}`,
    },
  };
}
