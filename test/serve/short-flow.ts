import { ADDRESSES, CALI1, POD1_ETH0 } from '../fixtures/places.js';
import type { Tape } from '../fixtures/tape.js';

/** A datagram of the flow with this source port, from a pod to its node. */
export function datagram(tape: Tape, sport: number): void {
  const { pod1: src, pod2: dst } = ADDRESSES;
  tape.packet({ proto: 'udp', src, dst, sport, dport: 53 }).egress(POD1_ETH0).ingress(CALI1).free();
}
