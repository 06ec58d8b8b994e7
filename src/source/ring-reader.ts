import type { RingBuffer } from 'ebpf-ts';
import type { SourceSink } from './source.js';

/** Bytes read at once. */
const BATCH_BYTES = 1 << 20;
/** So much is taken out while what was read before is dealt with: not what two turns bring. */
export const RELIEF_BYTES = 2 << 20;
/** Batches taken while one tick is dealt with. */
const RELIEF_BATCHES = 8;

/** What takes records out of the ring and deals with them: in this process, or in another one. */
export interface RecordReader {
  /**
   * Takes out what waits now; all that began before `now` is among it.
   *
   * @param bytes that wait
   * @param now CLOCK_MONOTONIC, ns
   * @returns how many records it took, once they are dealt with
   */
  read(bytes: number, now: bigint): Promise<number>;
}

export interface RingReaderOptions {
  readonly ring: Pick<RingBuffer, 'available' | 'drain'>;
  readonly sink: Pick<SourceSink, 'batch' | 'advance' | 'tick' | 'passedOn'>;
  /** Called with how many bytes wait, before they are taken out in between. */
  readonly onWaiting?: (bytes: number) => void;
  /** Bytes in the ring from which on it is relieved; RELIEF_BYTES when absent. */
  readonly reliefBytes?: number;
}

/** Copies records out of the ring, batch by batch, and gives them to the sink, then a tick. */
export class RingReader implements RecordReader {
  readonly #options: RingReaderOptions;
  readonly #target = new Uint8Array(BATCH_BYTES);
  /** Bytes of the ring to be read until all that began before has come. */
  #left = 0;
  #records = 0;

  constructor(options: RingReaderOptions) {
    this.#options = options;
  }

  async read(bytes: number, now: bigint): Promise<number> {
    this.#left = bytes;
    this.#records = 0;
    const { sink } = this.#options;
    while (!this.#drain()) await this.#turn();
    while (sink.advance?.(now, this.#relieve) === true) await this.#turn();
    sink.tick(now, this.#relieve);
    return this.#records;
  }

  /** Timers and sockets get theirs, and what was given is passed on. */
  async #turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    await this.#options.sink.passedOn?.();
  }

  /** Takes a batch; true when the ring is read up to where it was at the beginning. */
  #drain(): boolean {
    if (this.#left === 0) return true;
    const { ring, sink } = this.#options;
    const { records, bytes } = ring.drain(this.#target);
    // A record that is still being written holds up those after it.
    if (records === 0) return ring.available() === 0;
    this.#records += records;
    this.#left = Math.max(0, this.#left - bytes);
    sink.batch(this.#target, bytes);
    return this.#left === 0;
  }

  /** While what was read is dealt with, more comes: takes it out before the ring is full. */
  readonly #relieve = (): void => {
    const { ring, sink, onWaiting, reliefBytes = RELIEF_BYTES } = this.#options;
    for (let i = 0; i < RELIEF_BATCHES; i++) {
      const waiting = ring.available();
      if (waiting < reliefBytes) return;
      onWaiting?.(waiting);
      const { records, bytes } = ring.drain(this.#target);
      if (records === 0) return;
      this.#records += records;
      sink.batch(this.#target, bytes);
    }
  };
}
