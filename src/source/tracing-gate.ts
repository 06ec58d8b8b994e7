import type { BpfMap } from 'ebpf-ts';

/* struct hs_tracing of bpf/tracing.h; a test has the kernel close it. */
const BYTES = 24;
const SHUT_AT = 8;
const CLOSED = 16;
const KEY = new Uint8Array(4);

/** Whether packets are traced: a map that hopscope and its programs both write. */
export class TracingGate {
  readonly #map: BpfMap;

  constructor(map: BpfMap) {
    this.#map = map;
  }

  /** @param limit bytes in the ring at which the kernel closes it by itself; 0 for never */
  open(limit: number): void {
    this.#write(limit, false);
  }

  close(): void {
    this.#write(0, true);
  }

  /** CLOCK_MONOTONIC in ns of when the kernel closed it; null while it did not. */
  shutAt(): bigint | null {
    const value = this.#map.get(KEY);
    if (value === null) return null;
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const at = view.getBigUint64(SHUT_AT, true);
    return at === 0n ? null : at;
  }

  #write(limit: number, isClosed: boolean): void {
    const value = new Uint8Array(BYTES);
    const view = new DataView(value.buffer);
    view.setBigUint64(0, BigInt(limit), true);
    view.setUint32(CLOSED, isClosed ? 1 : 0, true);
    this.#map.put(KEY, value);
  }
}
