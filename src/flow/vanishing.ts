/** Every host takes a packet so large (RFC 791): what is not larger is not lost for its size. */
export const ALWAYS_FITS = 576;
/**
 * Times that a segment is sent again at one size: where the other side goes on talking meanwhile,
 * and where nothing is heard of it. Of ten networks that lose a third of all, nine do not lose as many.
 */
const REPEATS_HEARD = 3;
const REPEATS_SILENT = 4;

/** Segments that are sent again and again, and never acknowledged. */
export interface Vanished {
  /** Bytes of the IP packet. */
  readonly size: number;
  readonly repeats: number;
}

/**
 * Follows one direction of a TCP connection whose segments leave the machine: black holes are
 * distinguished from slow acknowledgements by what is acknowledged at all. Sequence numbers are compared as
 * RFC 9293, 3.4 has it.
 */
export class Vanishing {
  /** What was found; null again once a packet as large has passed. */
  vanished: Vanished | null = null;
  /** Bytes of the largest packet that is known to have passed. */
  passed = 0;
  #newest = 0;
  #hasNewest = false;
  /** The first segment as large as any so far. */
  #largest = 0;
  #largestEnd = 0;
  /** The segment that is being sent again. */
  #seq = 0;
  #size = 0;
  #repeats = 0;
  #since = 0;
  #isHeard = false;

  /**
   * A segment with DF set was sent and not seen to arrive.
   *
   * @param size bytes of the IP packet; of a GSO packet, of one segment of it
   */
  sent(seq: number, payload: number, size: number, time: number): void {
    if (!this.#hasNewest || ((seq - this.#newest) | 0) > 0) {
      this.#newest = seq | 0;
      this.#hasNewest = true;
      if (size > this.#largest) {
        this.#largest = size;
        this.#largestEnd = (seq + payload) | 0;
      }
      return;
    }
    if (this.#repeats > 0 && this.#seq === (seq | 0) && this.#size === size) {
      this.#repeats += 1;
    } else if (this.#repeats === 0 || size >= this.#size) {
      this.#seq = seq | 0;
      this.#size = size;
      this.#repeats = 1;
      this.#since = time;
      this.#isHeard = false;
    }
    this.#judge();
  }

  /** The other side was heard, with what it has received so far. */
  heard(ack: number, time: number): void {
    if (this.#hasNewest && ((ack - this.#largestEnd) | 0) >= 0) this.pass(this.#largest);
    if (this.#repeats === 0) return;
    if (((ack - this.#seq) | 0) > 0) {
      this.pass(this.#size);
      this.#repeats = 0;
    } else if (time > this.#since) {
      this.#isHeard = true;
      this.#judge();
    }
  }

  /** A packet so large has passed. */
  pass(size: number): void {
    if (size > this.passed) this.passed = size;
    if (this.vanished !== null && this.vanished.size <= this.passed) this.vanished = null;
  }

  #judge(): void {
    const enough = this.#isHeard ? REPEATS_HEARD : REPEATS_SILENT;
    if (this.#repeats >= enough && this.#size > this.passed) {
      this.vanished = { size: this.#size, repeats: this.#repeats };
    }
  }
}
