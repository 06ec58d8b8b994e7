import {
  contains,
  hostIn,
  type IpAddress,
  isHost,
  isLinkLocal,
  lastIn,
  type Prefix,
} from '../network/ip-address.js';
import type { Machine, Namespace } from '../network/machine.js';
import { isForwarding } from '../network/route.js';
import type { Pod } from './pods.js';
import { narrowestOf, type Step, type Trace } from './step.js';
import { traceWay } from './trace.js';

/** Pairs of pod device and route that one audit follows. */
export const WAYS_LIMIT = 8_192;
/** Pods of its own node that each pod's ways lead to; beyond, one for each MTU they have. */
const NEIGHBOURS = 8;

/** A pod is not followed to itself: so there are two. */
const CANDIDATES = 2;

interface Destination {
  readonly dst: Prefix;
  /** Of the prefix, the best first. */
  readonly addresses: readonly IpAddress[];
}

/** What fits between a pod's device and where one route of its node leads. */
export interface Way {
  readonly pod: Pod;
  readonly dst: Prefix;
  /** The address of it that was followed. */
  readonly towards: IpAddress;
  /** Bytes of the largest IP packet of the pod that passes whole. */
  readonly mtu: number;
  /** The first place that lets no more pass. */
  readonly setBy: Step;
  readonly trace: Trace;
}

export interface Ways {
  readonly ways: readonly Way[];
  /** Pairs past the limit. */
  readonly leftOut: number;
}

export function findWays(machine: Machine, pods: readonly Pod[]): Ways {
  const destinations = new Map<Namespace, readonly Destination[]>();
  const addresses = podAddresses(pods);
  const ways: Way[] = [];
  let leftOut = 0;
  for (const pod of pods) {
    const node = pod.hostEnd.namespace;
    const known =
      destinations.get(node) ??
      destinationsOf(node, pods).map((dst) => ({
        dst,
        addresses: addressesIn(node, dst, addresses),
      }));
    destinations.set(node, known);
    for (const destination of known) {
      if (ways.length >= WAYS_LIMIT) {
        leftOut += 1;
        continue;
      }
      const way = followWay(machine, pod, destination);
      if (way !== null) ways.push(way);
    }
  }
  return { ways, leftOut };
}

/** Where a node's routes lead, each prefix once; those to single hosts last. */
function destinationsOf(node: Namespace, pods: readonly Pod[]): Prefix[] {
  const mtus = new Map<number, string>();
  for (const { device, hostEnd } of pods) {
    if (hostEnd.namespace !== node) continue;
    mtus.set(hostEnd.link.ifindex, `${hostEnd.link.mtu}/${device.link.mtu}`);
  }
  const unique = new Map<string, Prefix>();
  const neighbours = new Map<string, number>();
  for (const route of node.description.routes) {
    const { dst, hops } = route;
    const key = `${dst.family}/${dst.value}/${dst.length}`;
    if (!isForwarding(route) || unique.has(key)) continue;
    const mtu = mtus.get(hops[0]?.ifindex ?? 0);
    if (mtu !== undefined && isHost(dst)) {
      // Of hundreds of pods that are alike the ways are alike.
      const all = (neighbours.get('') ?? 0) + 1;
      const alike = (neighbours.get(`${dst.family}/${mtu}`) ?? 0) + 1;
      neighbours.set('', all).set(`${dst.family}/${mtu}`, alike);
      if (all > NEIGHBOURS && alike > 1) continue;
    }
    unique.set(key, dst);
  }
  return [...unique.values()].sort((a, b) => a.length - b.length);
}

function podAddresses(pods: readonly Pod[]): IpAddress[] {
  return pods.flatMap(({ device }) =>
    device.namespace.description.addresses
      .filter(({ ifindex }) => ifindex === device.link.ifindex)
      .map(({ address }) => address)
      .filter((address) => !isLinkLocal(address)),
  );
}

function followWay(machine: Machine, pod: Pod, { dst, addresses }: Destination): Way | null {
  const { namespace, link } = pod.device;
  const own = namespace.description.addresses.find(
    ({ ifindex, address }) =>
      ifindex === link.ifindex && address.family === dst.family && !isLinkLocal(address),
  );
  if (own === undefined) return null;
  const towards = addresses.find((address) => !namespace.owns(address));
  if (towards === undefined) return null;
  const trace = traceWay(machine, {
    ...{ namespace, dst: towards, src: own.address, mark: 0, incoming: 'lo', outgoing: null },
  });
  const [first] = trace.steps;
  // It leaves by another device of the pod, or not at all.
  const setBy = narrowestOf(trace.steps);
  if (setBy === null || first?.device.link.ifindex !== link.ifindex) return null;
  return { pod, dst, towards, mtu: setBy.room, setBy, trace };
}

/**
 * Addresses to follow to a prefix: those of pods first, for where others of a node lead to is not
 * known. One that a longer prefix of the node takes is none of this one.
 */
function addressesIn(node: Namespace, dst: Prefix, known: readonly IpAddress[]): IpAddress[] {
  const found: IpAddress[] = [];
  if (dst.length > 0) {
    for (const address of known) {
      if (found.length === CANDIDATES) break;
      if (contains(dst, address) && isBest(node, dst, address)) found.push(address);
    }
  }
  // Hosts at either end of the prefix, which a pod or another route may have.
  const ends = [hostIn(dst), lastIn(dst)].filter((address) => isBest(node, dst, address));
  return [...found, ...ends];
}

function isBest(node: Namespace, dst: Prefix, address: IpAddress): boolean {
  const key = { dst: address, src: null, mark: 0, incoming: 'lo', outgoing: null };
  const best = node.find(key)?.route.dst;
  return best?.length === dst.length && best.value === dst.value;
}

/** Bytes of the largest packet that the pod's own device and routes send on the way. */
export function sentBy({ pod, trace }: Way): number {
  const own = trace.steps.filter(({ device }) => device.namespace === pod.device.namespace);
  return Math.min(...own.slice(0, 2).map(({ room }) => room));
}
