import * as v from 'valibot';
import {
  directionSchema,
  encapsulationTypeSchema,
  hookSchema,
  pathVerdictSchema,
  stageSchema,
} from './enumerations.js';
import { boolean, decimal, type Infer, number, string } from './scalars.js';

/*
 * The records that leave hopscope, one JSON object a line. Names and meanings are
 * an interface that other programs check against: add to it, never rename in it.
 *
 * Counts and times that may pass 2^53 are decimal strings; absent things are `null`.
 */

export const icmpRecordSchema = v.object({
  type: number,
  code: number,
  /** Identifier of an echo; `null` where the type has none. */
  id: v.nullable(number),
  seq: v.nullable(number),
  /** Of fragmentation needed and packet too big: the MTU it reports, bytes. */
  mtu: v.exactOptional(number),
});
export type IcmpRecord = Infer<typeof icmpRecordSchema>;

/** Where in its packet a fragment lies. */
export const fragmentRecordSchema = v.object({
  /** Bytes before it. */
  offset: number,
  /** Whether others come after it. */
  more: boolean,
});
export type FragmentRecord = Infer<typeof fragmentRecordSchema>;

/** The innermost transport tuple as it is at one hop. */
export const tupleRecordSchema = v.object({
  proto: string,
  src: string,
  dst: string,
  sport: v.nullable(number),
  dport: v.nullable(number),
  icmp: v.exactOptional(v.nullable(icmpRecordSchema)),
});
export type TupleRecord = Infer<typeof tupleRecordSchema>;

export const outerRecordSchema = v.object({
  type: encapsulationTypeSchema,
  src: string,
  dst: string,
  sport: v.nullable(number),
  dport: v.nullable(number),
  vni: v.nullable(number),
  /** Of GRE, where it has one (RFC 2890). */
  key: v.exactOptional(number),
  /** Bytes the encapsulation adds to the inner IP packet's frame on this device. */
  overhead: number,
});
export type OuterRecord = Infer<typeof outerRecordSchema>;

export const conntrackRecordSchema = v.object({
  state: string,
  zone: number,
  /** Whether this packet travels in conntrack's reply direction. */
  reply: v.exactOptional(boolean),
});
export type ConntrackRecord = Infer<typeof conntrackRecordSchema>;

export const tcpRecordSchema = v.object({
  /** Letters as tcpdump prints them: `S`, `S.`, `.`, `P.`, `F.`, `R`. */
  flags: string,
  seq: number,
  ack: number,
  payload: number,
  mss: v.nullable(number),
  windowScale: v.nullable(number),
});
export type TcpRecord = Infer<typeof tcpRecordSchema>;

export const ruleSourceSchema = v.object({
  /** Such as `Service`, `NetworkPolicy`, `HostPort`; `null` where no object is known. */
  kind: v.nullable(string),
  name: v.nullable(string),
  text: string,
});
export type RuleSource = Infer<typeof ruleSourceSchema>;

/** A rule that a packet met, or the policy of a chain. */
export const ruleRecordSchema = v.object({
  backend: v.picklist(['iptables-nft', 'iptables-legacy', 'nft', 'ipvs', 'route']),
  family: v.picklist(['ipv4', 'ipv6', 'inet']),
  table: string,
  chain: string,
  /** As its tool writes it; `null` for a chain's policy. */
  rule: v.nullable(string),
  /** 1 for the first of its chain. */
  position: v.nullable(number),
  /** Of nftables. */
  handle: v.nullable(number),
  verdict: string,
  /**
   * `seen`: the packet shows it. `follows`: no other way agrees with what was seen. `one-of`: so many ways
   * (`of`) agree. `unknown`: not known.
   */
  certainty: v.picklist(['seen', 'follows', 'one-of', 'unknown']),
  of: v.nullable(number),
  /** What it was written for, where that is known; `text` says what it does. */
  source: v.nullable(ruleSourceSchema),
});
export type RuleRecord = Infer<typeof ruleRecordSchema>;

export const hopRecordSchema = v.object({
  node: v.nullable(string),
  netns: string,
  dev: v.nullable(string),
  ifindex: v.nullable(number),
  /** rtnetlink link kind, `null` for hardware. */
  kind: v.nullable(string),
  stage: stageSchema,
  hook: v.nullable(hookSchema),
  priority: v.nullable(number),
  /** Frame length in bytes as `tcpdump -e` prints it on that device. */
  len: v.nullable(number),
  mtu: v.nullable(number),
  gso: v.nullable(
    v.object({
      size: number,
      segs: number,
    }),
  ),
  mac: v.nullable(
    v.object({
      src: string,
      dst: string,
    }),
  ),
  vlan: v.exactOptional(
    v.nullable(
      v.object({
        id: number,
        proto: number,
      }),
    ),
  ),
  outer: v.nullable(outerRecordSchema),
  tuple: v.nullable(tupleRecordSchema),
  ttl: v.nullable(number),
  /** IPv4 identification of the innermost header, or that of an IPv6 fragment. */
  ipId: v.exactOptional(v.nullable(number)),
  /** `null` for a whole packet. */
  fragment: v.exactOptional(v.nullable(fragmentRecordSchema)),
  tcp: v.exactOptional(v.nullable(tcpRecordSchema)),
  mark: string,
  ct: v.nullable(conntrackRecordSchema),
  /**
   * Of a netfilter hop: the rules met between it and the next one; `null` where they were not
   * evaluated.
   */
  rules: v.exactOptional(v.nullable(v.array(ruleRecordSchema))),
  /** Nanoseconds since the hop before it, `null` at the first. */
  sincePrevNs: v.nullable(number),
});
export type HopRecord = Infer<typeof hopRecordSchema>;

export const dropRecordSchema = v.object({
  reason: v.nullable(string),
  location: v.nullable(string),
  hook: v.nullable(hookSchema),
  table: v.nullable(string),
  /** Those that can have done it; `table` is named where there is only one. */
  tables: v.array(string),
  chain: v.nullable(string),
  rule: v.nullable(string),
});
export type DropRecord = Infer<typeof dropRecordSchema>;

export const pathRecordSchema = v.object({
  type: v.literal('path'),
  id: string,
  flow: v.nullable(string),
  /** Which way of its flow it went; absent when it belongs to none. */
  direction: v.exactOptional(directionSchema),
  /** Wall-clock nanoseconds since the epoch. */
  start: decimal,
  complete: boolean,
  verdict: pathVerdictSchema,
  drop: v.nullable(dropRecordSchema),
  /** Set when this is a copy or a fragment of another packet; it is not counted again. */
  branch: v.exactOptional(v.picklist(['clone', 'segment', 'fragment'])),
  hops: v.array(hopRecordSchema),
});
export type PathRecord = Infer<typeof pathRecordSchema>;
