/** Ring buffers, drained in batches. */
import { addon, type NativeRing } from './addon.js';
import { checkBytes } from './argument.js';
import { badArgument, closedError } from './error.js';
import { BpfMap } from './map.js';

/** Bytes before each payload in a drained batch: u32 length, u32 zero, as this machine is. */
export const RECORD_HEADER_BYTES = 8;
/** Largest target of one drain, bytes. */
export const DRAIN_TARGET_MAX = 2 ** 32 - 1;

export interface Drained {
  readonly records: number;
  /** Bytes of the target that were filled. */
  readonly bytes: number;
}

/**
 * The consumer of a BPF_MAP_TYPE_RINGBUF. There may be one for each map in a
 * process (EBUSY). It keeps its own hold on the map and outlives the BpfObject.
 *
 * It does not wait: drain it from a timer, and let programs submit with
 * BPF_RB_NO_WAKEUP, which spares the kernel a wake-up for each record.
 */
export class RingBuffer {
  #handle: NativeRing | null;
  readonly #counts = new Uint32Array(2);

  constructor(map: BpfMap) {
    if (!(map instanceof BpfMap)) throw badArgument('ringBuffer', 'map must be a BpfMap');
    this.#handle = addon.ringOpen(map.nativeHandle('ringBuffer'));
  }

  get closed(): boolean {
    return this.#handle === null;
  }

  /**
   * Copies whole records into `target` until the ring is empty, a record is still
   * being written, or the next does not fit. For each: its length (u32), zero
   * (u32), its bytes, zeros up to a multiple of 8. What is not copied stays in the
   * ring. BPF_TARGET_TOO_SMALL: the next record does not fit an empty target.
   */
  drain(target: Uint8Array): Drained {
    if (this.#handle === null) throw closedError('drain', 'ring buffer');
    checkBytes('drain', 'target', target);
    if (target.length > DRAIN_TARGET_MAX) {
      throw badArgument('drain', `target has more than ${DRAIN_TARGET_MAX} bytes`);
    }
    addon.ringDrain(this.#handle, target, this.#counts);
    return { records: this.#counts[0] ?? 0, bytes: this.#counts[1] ?? 0 };
  }

  /** Bytes pending in the ring, headers and unfinished records included. */
  available(): number {
    if (this.#handle === null) throw closedError('available', 'ring buffer');
    return addon.ringAvailable(this.#handle);
  }

  close(): void {
    if (this.#handle === null) return;
    addon.close(this.#handle);
    this.#handle = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
