import type { BpfMap } from 'ebpf-ts';

/* struct hs_tracing of bpf/tracing.h; a test has the kernel close it. */
const BYTES = 40;
const SHUT_AT = 8;
const FAIR_FROM = 16;
const OPENED_AT = 24;
const SHARE = 32;
const CLOSED = 36;
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

/** Whether packets are traced: a map that hopscope and its programs both write. */
export class TracingGate {
  readonly #map: BpfMap;

  constructor(map: BpfMap) {
    this.#map = map;
  }

  open(room: WindowRoom): void {
    this.#write(room, false);
  }

  close(): void {
    this.#write(ALL_ROOM, true);
  }

  /** CLOCK_MONOTONIC in ns of when the kernel closed it; null while it did not. */
  shutAt(): bigint | null {
    const value = this.#map.get(KEY);
    if (value === null) return null;
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const at = view.getBigUint64(SHUT_AT, true);
    return at === 0n ? null : at;
  }

  #write({ limit, fairFrom, share }: WindowRoom, isClosed: boolean): void {
    const value = new Uint8Array(BYTES);
    const view = new DataView(value.buffer);
    view.setBigUint64(0, BigInt(limit), true);
    view.setBigUint64(FAIR_FROM, BigInt(fairFrom), true);
    view.setBigUint64(OPENED_AT, process.hrtime.bigint(), true);
    view.setUint32(SHARE, share, true);
    view.setUint32(CLOSED, isClosed ? 1 : 0, true);
    this.#map.put(KEY, value);
  }
}
