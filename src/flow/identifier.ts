/**
 * Identifiers of flows and paths: 64 bits in hex, made from what is observed, so
 * that a replayed recording gives the same ones.
 */
export class IdentifierHash {
  #a = 0x9e3779b9;
  #b = 0x85ebca6b;

  /** Any integer up to 2^53; both halves count. */
  number(value: number): this {
    this.#mix(value | 0);
    this.#mix(Math.floor(value / 4294967296) | 0);
    return this;
  }

  text(value: string): this {
    for (let i = 0; i < value.length; i++) {
      this.#mix(value.charCodeAt(i));
    }
    return this;
  }

  /** 16 hex digits. */
  hex(): string {
    const a = finish(this.#a ^ Math.imul(this.#b, 0xc2b2ae35));
    const b = finish(this.#b ^ Math.imul(a, 0x27d4eb2f));
    return (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0');
  }

  #mix(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193);
    this.#b = Math.imul((this.#b << 13) | (this.#b >>> 19), 5) ^ Math.imul(word, 0xcc9e2d51);
  }
}

/** The avalanche of MurmurHash3 (Appleby, public domain): every input bit reaches every output bit. */
function finish(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
