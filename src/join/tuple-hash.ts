import type { Tuple } from './tuple.js';

/** Whether a word is set that only an IPv6 address has. */
export function isWide(words: Int32Array): boolean {
  return (
    words[0] !== 0 ||
    words[1] !== 0 ||
    words[2] !== 0 ||
    words[4] !== 0 ||
    words[5] !== 0 ||
    words[6] !== 0
  );
}

/** The same for a tuple and its reverse; 30 bits. Source words 0 to 3, destination words 4 to 7. */
export function tupleHash(words: Int32Array, protocol: number, ports: number): number {
  let src = mix(protocol + (ports >>> 16) * 0x10001, words[3] as number);
  let dst = mix(protocol + (ports & 0xffff) * 0x10001, words[7] as number);
  if (words[0] !== 0 || words[4] !== 0) {
    src = highHash(src, words[0] as number, words[1] as number, words[2] as number);
    dst = highHash(dst, words[4] as number, words[5] as number, words[6] as number);
  }
  return finished(src + dst);
}

export function hashOf(tuple: Tuple): number {
  const { high, ports } = tuple;
  const protocol = tuple.kind & 0xffff;
  let src = mix(protocol + (ports >>> 16) * 0x10001, tuple.srcWord);
  let dst = mix(protocol + (ports & 0xffff) * 0x10001, tuple.dstWord);
  if (high !== null && (high.src0 !== 0 || high.dst0 !== 0)) {
    src = highHash(src, high.src0, high.src1, high.src2);
    dst = highHash(dst, high.dst0, high.dst1, high.dst2);
  }
  return finished(src + dst);
}

function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

function highHash(hash: number, w0: number, w1: number, w2: number): number {
  return mix(mix(mix(hash, w0), w1), w2);
}

/** Spreads the upper bits over the lower ones, which choose the bucket. */
function finished(sum: number): number {
  const hash = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) & 0x3fffffff;
}
