// Reads a ring buffer record by record.
import { RingBuffer } from 'ebpf-ts';

/** Before each record: its length, and a zero. */
const HEAD = 8;

export class RecordReader {
  #ring;
  #batch = new Uint8Array(1 << 16);
  #view = new DataView(this.#batch.buffer);

  constructor(map) {
    this.#ring = new RingBuffer(map);
  }

  /** All that is in the ring; a record is valid until `onRecord` returns. */
  read(onRecord) {
    for (;;) {
      const { bytes } = this.#ring.drain(this.#batch);
      if (bytes === 0) return;
      for (let at = 0; at < bytes; ) {
        const length = this.#view.getUint32(at, true);
        onRecord(this.#batch.subarray(at + HEAD, at + HEAD + length));
        // Records are padded to 8 bytes.
        at += HEAD + Math.ceil(length / 8) * 8;
      }
    }
  }

  close() {
    this.#ring.close();
  }
}
