import type { BpfMap } from 'ebpf-ts';
import type { Seen } from 'hopscope-protocol';

/* struct hs_tracing of bpf/tracing.h; a test has the kernel close it. */
const BYTES = 48;
const SHUT_AT = 8;
const FAIR_FROM = 16;
const OPENED_AT = 24;
const SHARE = 32;
const SEES = 36;
const FLOWS_SINCE = 40;
/* enum hs_sees */
const SEES_CODE: Readonly<Record<Seen, number>> = { all: 0, drops: 1, 'new-flows': 2 };
const KEY = new Uint8Array(4);

/** How much of the ring a window may fill. */
export interface WindowRoom {
  /** Bytes in the ring at which the kernel closes it by itself; 0 for never. */
  readonly limit: number;
  /** Bytes in the ring from which on a flow has no more than its share; 0: it may have all. */
  readonly fairFrom: number;
  /** Bytes of a flow's trails on each CPU. */
  readonly share: number;
}

export const ALL_ROOM: WindowRoom = { limit: 0, fairFrom: 0, share: 0 };

/** Room for so many bytes, whoever takes them. */
export function roomOf(limit: number): WindowRoom {
  return { ...ALL_ROOM, limit: Math.floor(limit) };
}

/** Which packets are traced: a map that hopscope and its programs both write. */
export class TracingGate {
  readonly #map: BpfMap;
  /** Since when the kernel follows flows, CLOCK_MONOTONIC in ns; null: it sees drops alone. */
  #flowsSince: bigint | null = null;

  constructor(map: BpfMap) {
    this.#map = map;
  }

  /** @param room of what is seen, drops aside */
  see(sees: Seen, { limit, fairFrom, share } = ALL_ROOM): void {
    const value = new Uint8Array(BYTES);
    const view = new DataView(value.buffer);
    const now = process.hrtime.bigint();
    if (sees === 'drops' || this.shutAt() !== null) this.#flowsSince = null;
    if (sees !== 'drops') this.#flowsSince ??= now;
    view.setBigUint64(FLOWS_SINCE, this.#flowsSince ?? now, true);
    view.setBigUint64(0, BigInt(limit), true);
    view.setBigUint64(FAIR_FROM, BigInt(fairFrom), true);
    view.setBigUint64(OPENED_AT, now, true);
    view.setUint32(SHARE, share, true);
    view.setUint32(SEES, SEES_CODE[sees], true);
    this.#map.put(KEY, value);
  }

  /** CLOCK_MONOTONIC in ns of when the kernel closed it; null while it did not. */
  shutAt(): bigint | null {
    const value = this.#map.get(KEY);
    if (value === null) return null;
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const at = view.getBigUint64(SHUT_AT, true);
    return at === 0n ? null : at;
  }
}
