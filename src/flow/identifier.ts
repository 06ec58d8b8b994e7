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

  /** The upper and the lower 32 bits, signed. */
  get high(): number {
    return finish(this.#a ^ Math.imul(this.#b, 0xc2b2ae35));
  }

  get low(): number {
    return finish(this.#b ^ Math.imul(this.high, 0x27d4eb2f));
  }

  /** 16 hex digits. */
  hex(): string {
    return identifierText(this.high, this.low);
  }

  #mix(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193);
    this.#b = Math.imul((this.#b << 13) | (this.#b >>> 19), 5) ^ Math.imul(word, 0xcc9e2d51);
  }
}

/** 16 hex digits of the two halves of an identifier. */
export function identifierText(high: number, low: number): string {
  return hex8(high) + hex8(low);
}

function hex8(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}

/** The avalanche of MurmurHash3 (Appleby, public domain): every input bit reaches every output bit. */
function finish(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
