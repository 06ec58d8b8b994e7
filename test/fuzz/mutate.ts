import type { Random } from './random.js';

/** Values that lengths, counts and types go wrong at. */
const EDGES = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 0x0f, 0x10, 0x14, 0x28, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff,
];
const EDGES_16 = [
  ...[0, 1, 7, 8, 19, 20, 39, 40, 0xff, 0x100, 0x5dc, 0x7fff, 0x8000, 0xfff7, 0xfff8, 0xffff],
  // EtherTypes and ports that open another header.
  ...[0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x6558, 4789, 8472, 6081, 51820],
];
/** Times and counts. */
const EDGES_64 = [0n, 1n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];
/** IP protocols that open another header. */
const PROTOCOLS = [0, 1, 4, 6, 17, 41, 43, 44, 47, 50, 51, 58, 60, 132, 135, 136];

type Mutation = (input: Uint8Array, random: Random, corpus: readonly Uint8Array[]) => Uint8Array;

const MUTATIONS: readonly Mutation[] = [
  function flipBit(input, random) {
    const at = random.below(input.length);
    if (at < input.length) input[at] = (input[at] as number) ^ (1 << random.below(8));
    return input;
  },
  function setByte(input, random) {
    if (input.length > 0) input[random.below(input.length)] = random.bits() & 0xff;
    return input;
  },
  function setEdge(input, random) {
    if (input.length > 0) input[random.below(input.length)] = random.pick(EDGES);
    return input;
  },
  function setLong(input, random) {
    if (input.length < 8) return input;
    const at = random.below(input.length - 7);
    const view = new DataView(input.buffer, input.byteOffset);
    view.setBigUint64(at, random.pick(EDGES_64), true);
    return input;
  },
  function setProtocol(input, random) {
    if (input.length > 0) input[random.below(input.length)] = random.pick(PROTOCOLS);
    return input;
  },
  function setWord(input, random) {
    if (input.length < 2) return input;
    const at = random.below(input.length - 1);
    const value = random.below(4) === 0 ? random.bits() & 0xffff : random.pick(EDGES_16);
    const little = random.below(2) === 0;
    new DataView(input.buffer, input.byteOffset).setUint16(at, value, little);
    return input;
  },
  function nudgeWord(input, random) {
    if (input.length < 2) return input;
    const at = random.below(input.length - 1);
    const view = new DataView(input.buffer, input.byteOffset);
    view.setUint16(at, view.getUint16(at) + random.below(17) - 8);
    return input;
  },
  function truncate(input, random) {
    return input.slice(0, random.below(input.length + 1));
  },
  function removeRange(input, random) {
    const at = random.below(input.length);
    const count = random.below(Math.min(64, input.length - at) + 1);
    return join(input.subarray(0, at), input.subarray(at + count));
  },
  function repeatRange(input, random) {
    const at = random.below(input.length);
    const count = random.below(Math.min(64, input.length - at) + 1);
    return join(input.subarray(0, at + count), input.subarray(at));
  },
  function insertZeros(input, random) {
    const at = random.below(input.length + 1);
    const zeros = new Uint8Array(random.below(24));
    return join(join(input.subarray(0, at), zeros), input.subarray(at));
  },
  function splice(input, random, corpus) {
    const other = random.pick(corpus);
    return join(
      input.subarray(0, random.below(input.length + 1)),
      other.subarray(random.below(other.length + 1)),
    );
  },
];

/** An input with 0 to 7 things wrong. Neither it nor the corpus changes. */
export function mutateBytes(
  input: Uint8Array,
  random: Random,
  corpus: readonly Uint8Array[],
): Uint8Array {
  let changed: Uint8Array = new Uint8Array(input);
  for (let i = random.below(8); i > 0; i--) {
    changed = random.pick(MUTATIONS)(changed, random, corpus);
  }
  return changed;
}

function join(front: Uint8Array, back: Uint8Array): Uint8Array {
  const joined = new Uint8Array(front.length + back.length);
  joined.set(front);
  joined.set(back, front.length);
  return joined;
}
