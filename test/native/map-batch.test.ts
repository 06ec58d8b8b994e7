import { type BpfMap, BpfObject, type MapBatch, READ_BATCH_BYTES_MAX } from 'ebpf-ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';

const u32 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);
const u64 = (value: number): Uint8Array =>
  new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);

describeAsRoot('batches of a map', () => {
  let object: BpfObject;
  let table: BpfMap;

  beforeEach(() => {
    object = BpfObject.open(compileProgram('sample'));
    object.setMapMaxEntries('table', 2048);
    object.load();
    table = object.map('table');
    for (let key = 0; key < 1000; key++) table.put(u32(key), u64(key * 3));
  });
  afterEach(() => {
    object.close();
  });

  /** Adds what the batch holds: key to value. */
  const gather = (batch: MapBatch, into: Map<number, number>): void => {
    const keys = new DataView(batch.keys.buffer);
    const values = new DataView(batch.values.buffer);
    for (let i = 0; i < batch.count; i++) {
      const key = keys.getUint32(i * 4, true);
      expect(into.has(key)).toBe(false);
      into.set(key, Number(values.getBigUint64(i * 8, true)));
    }
  };

  test('give every entry once a walk, however often, into the same arrays', () => {
    const batch = table.batch(128);
    const { keys, values } = batch;
    for (let walk = 0; walk < 3; walk++) {
      const seen = new Map<number, number>();
      do {
        expect(table.lookupBatch(batch)).toBeLessThanOrEqual(128);
        gather(batch, seen);
      } while (!batch.atEnd);
      expect(seen.size).toBe(1000);
      expect(seen.get(999)).toBe(2997);
    }
    expect(batch.keys).toBe(keys);
    expect(batch.values).toBe(values);
  });

  test('start again when they are rewound', () => {
    const batch = table.batch(400);
    table.lookupBatch(batch);
    const first = batch.keys.slice(0, 4);
    table.lookupBatch(batch);
    expect(batch.keys.slice(0, 4)).not.toEqual(first);
    batch.rewind();
    table.lookupBatch(batch);
    expect(batch.keys.slice(0, 4)).toEqual(first);
  });

  test('remove what they give when they are asked to', () => {
    const batch = table.batch(300);
    const seen = new Map<number, number>();
    do {
      table.lookupAndDeleteBatch(batch);
      gather(batch, seen);
    } while (!batch.atEnd);
    expect(seen.size).toBe(1000);
    expect(table.get(u32(5))).toBeNull();
    expect(table.lookupBatch(batch)).toBe(0);
    expect(batch.atEnd).toBe(true);
  });

  test('give the values of all CPUs', () => {
    const perCpu = object.map('per_cpu');
    const value = new Uint8Array(perCpu.valueBytes).fill(7);
    perCpu.put(u32(1), value);
    const batch = perCpu.batch(16);
    expect(perCpu.lookupBatch(batch)).toBe(1);
    // The padding of each CPU's value is the kernel's own.
    expect(batch.values.slice(0, 4)).toEqual(value.slice(0, 4));
    expect(batch.values.slice(8, 12)).toEqual(value.slice(8, 12));
  });

  test('take keys out with their last values, and pass over those that are gone', () => {
    const batch = table.batch(8);
    for (const [i, key] of [3, 5000, 4].entries()) batch.keys.set(u32(key), i * 4);
    expect(table.take(batch, 3)).toBe(2);
    const taken = new Map<number, number>();
    gather(batch, taken);
    expect([...taken]).toEqual([
      [3, 9],
      [4, 12],
    ]);
    expect(table.get(u32(3))).toBeNull();
    expect(table.get(u32(5))).toEqual(u64(15));
  });

  test('are refused when they are too large, another map’s or none', () => {
    bpfErrorOf(() => table.batch(0), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => table.batch(READ_BATCH_BYTES_MAX / 12 + 1), 'BPF_BAD_ARGUMENT');
    const batch = table.batch(4);
    bpfErrorOf(() => object.map('per_cpu').lookupBatch(batch), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => table.lookupBatch({} as never), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => table.take(batch, 5), 'BPF_BAD_ARGUMENT');
    object.close();
    bpfErrorOf(() => table.lookupBatch(batch), 'BPF_CLOSED');
  });

  test('are refused by a map that has none, and say so', () => {
    const queue = object.map('queue');
    expect(() => queue.lookupBatch(queue.batch(4))).toThrow(/ENOTSUPP|524|EOPNOTSUPP/u);
  });
});
