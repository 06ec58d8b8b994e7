import { isWithin } from './address.js';
import type { Nat } from './model.js';
import type { Endpoints, Packet } from './packet.js';

/** Where a packet was seen to go, and from where. */
export type NatHint = Endpoints;

/** A packet as it is after a translation; where a range leaves a choice, as it was seen then. */
export function translated(packet: Packet, nat: Nat, seen: NatHint | null): Packet {
  const isDestination = nat.kind === 'dnat' || nat.kind === 'redirect';
  const tracked =
    packet.tracked === null
      ? null
      : { ...packet.tracked, ...(isDestination ? { isDnat: true } : { isSnat: true }) };
  if (isDestination) {
    const dst = chosen(nat.addresses, seen?.dst ?? null, packet.dst);
    const dport = portOf(nat, seen?.dport ?? null, packet.dport);
    return { ...packet, tracked, dst, dport };
  }
  const src = chosen(nat.addresses, seen?.src ?? null, packet.src);
  return { ...packet, tracked, src, sport: portOf(nat, seen?.sport ?? null, packet.sport) };
}

function chosen(
  range: Nat['addresses'],
  seen: Packet['dst'] | null,
  own: Packet['dst'],
): Packet['dst'] {
  if (range === null) return seen ?? own;
  return seen !== null && isWithin(seen, range) ? seen : range.first;
}

function portOf({ ports }: Nat, seen: number | null, own: number | null): number | null {
  if (ports === null) return own;
  return seen !== null && seen >= ports.first && seen <= ports.last ? seen : ports.first;
}

/** Whether a packet that a rule translated, or that none did, may come out as it was seen. */
export function mayBecome(before: Endpoints, nat: Nat | null, after: Endpoints): boolean {
  const isDestination = nat?.kind === 'dnat' || nat?.kind === 'redirect';
  const isSource = nat !== null && !isDestination;
  if (!isDestination && (after.dst !== before.dst || after.dport !== before.dport)) return false;
  // The kernel may choose another port for a connection that would be like another one.
  if (!isSource && after.src !== before.src) return false;
  if (nat === null || nat.addresses === null) return true;
  if (!isWithin(isDestination ? after.dst : after.src, nat.addresses)) return false;
  const port = isDestination ? after.dport : after.sport;
  if (nat.ports !== null) {
    return port !== null && port >= nat.ports.first && port <= nat.ports.last;
  }
  return !isDestination || port === before.dport;
}
