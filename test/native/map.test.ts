import {
  type BpfMap,
  BpfObject,
  possibleCpus,
  READ_BATCH_BYTES_MAX,
  READ_BATCH_LIMIT,
} from 'ebpf-ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';

const u32 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);
const u64 = (value: number): Uint8Array =>
  new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);
const read32 = (bytes: Uint8Array, at = 0): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);

describeAsRoot('a map', () => {
  let object: BpfObject;

  function reload(name: string, entries: number): BpfMap {
    object.close();
    object = BpfObject.open(compileProgram('sample'));
    object.setMapMaxEntries(name, entries);
    object.load();
    return object.map(name);
  }

  beforeEach(() => {
    object = BpfObject.open(compileProgram('sample'));
    object.load();
  });
  afterEach(() => {
    object.close();
  });

  test('keeps what is put, and forgets what is deleted', () => {
    const table = object.map('table');
    expect(table.get(u32(5))).toBeNull();
    expect(table.delete(u32(5))).toBe(false);
    table.put(u32(5), u64(50));
    expect(table.get(u32(5))).toEqual(u64(50));
    table.put(u32(5), u64(51));
    bpfErrorOf(() => table.put(u32(5), u64(52), 1), 'EEXIST');
    bpfErrorOf(() => table.put(u32(6), u64(60), 2), 'ENOENT');
    expect(table.get(u32(5))).toEqual(u64(51));
    expect(table.delete(u32(5))).toBe(true);
    expect(table.get(u32(5))).toBeNull();
  });

  test('refuses keys, values and options of the wrong kind', () => {
    const table = object.map('table');
    const wrong = (value: unknown) => value as never;
    bpfErrorOf(() => table.get(new Uint8Array(3)), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => table.get(wrong('key')), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => table.put(u32(1), new Uint8Array(7)), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => table.put(u32(1), u64(1), -1), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => table.put(u32(1), u64(1), 4), 'EINVAL');
    bpfErrorOf(() => table.delete(new Uint8Array(5)), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => table.readBatch({ limit: 0 }), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => table.readBatch({ limit: 1.5 }), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => table.readBatch({ remove: wrong(1) }), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => table.readBatch({ cursor: new Uint8Array(9) }), 'BPF_BAD_ARGUMENT');
    const fitting = Math.floor(READ_BATCH_BYTES_MAX / 12);
    bpfErrorOf(() => table.readBatch({ limit: fitting + 1 }), 'BPF_BAD_ARGUMENT');
  });

  test('is iterated over, also while it changes', () => {
    const table = object.map('table');
    for (let i = 0; i < 64; i++) table.put(u32(i), u64(i * 10));
    const keys = [...table.keys()].map((key) => read32(key)).sort((a, b) => a - b);
    expect(keys).toEqual(Array.from({ length: 64 }, (_, i) => i));
    for (const [key, value] of table.entries()) expect(read32(value)).toBe(read32(key) * 10);
    let seen = 0;
    for (const key of table.keys()) {
      table.delete(key);
      seen++;
    }
    expect(seen).toBe(64);
    expect([...table.keys()]).toEqual([]);
  });

  test('has a value for each CPU where it is per-CPU', () => {
    const map = object.map('per_cpu');
    const cpus = possibleCpus();
    expect(map.valueSize).toBe(4);
    // Four bytes a value, each in eight.
    expect(map.valueBytes).toBe(8 * cpus);
    const values = new Uint8Array(8 * cpus);
    for (let cpu = 0; cpu < cpus; cpu++) values.set(u32(1000 + cpu), 8 * cpu);
    map.put(u32(3), values);
    const got = map.get(u32(3));
    expect(got?.length).toBe(8 * cpus);
    for (let cpu = 0; cpu < cpus; cpu++) {
      expect(read32(got ?? values, 8 * cpu)).toBe(1000 + cpu);
    }
    const batch = map.readBatch();
    expect([batch.count, batch.values.length]).toEqual([1, 8 * cpus]);
    expect(read32(batch.values, 8 * (cpus - 1))).toBe(1000 + cpus - 1);
    bpfErrorOf(() => map.put(u32(3), new Uint8Array(4)), 'BPF_BAD_ARGUMENT');
  });

  test.each([0, 1, READ_BATCH_LIMIT - 1, READ_BATCH_LIMIT, READ_BATCH_LIMIT + 1])(
    'is read in batches when it holds %i entries',
    (entries) => {
      const table = reload('table', 2 * READ_BATCH_LIMIT);
      for (let i = 0; i < entries; i++) table.put(u32(i), u64(i + 7));
      const seen = new Map<number, number>();
      let cursor: Uint8Array | null = null;
      let rounds = 0;
      do {
        const batch = table.readBatch({ cursor });
        expect(batch.batched).toBe(true);
        expect(batch.count).toBeLessThanOrEqual(READ_BATCH_LIMIT);
        expect(batch.keys.length).toBe(4 * batch.count);
        expect(batch.values.length).toBe(8 * batch.count);
        for (let i = 0; i < batch.count; i++) {
          seen.set(read32(batch.keys, 4 * i), read32(batch.values, 8 * i));
        }
        cursor = batch.cursor;
        rounds++;
      } while (cursor !== null);
      expect(rounds).toBeLessThan(6);
      expect(seen.size).toBe(entries);
      for (const [key, value] of seen) expect(value).toBe(key + 7);
    },
  );

  test('gives and removes in one go', () => {
    const table = reload('table', 1000);
    for (let i = 0; i < 500; i++) table.put(u32(i), u64(i));
    const first = table.readBatch({ limit: 300, remove: true });
    expect(first.count).toBeGreaterThan(200);
    const left = [...table.keys()].length;
    expect(left).toBe(500 - first.count);
    const rest = table.readBatch({ limit: 600, remove: true, cursor: first.cursor });
    expect(first.count + rest.count).toBe(500);
    expect(rest.cursor).toBeNull();
    expect([...table.keys()]).toEqual([]);
  });

  test('says when a batch is smaller than one bucket of a hash', () => {
    const table = reload('table', 4096);
    // With 4096 keys in 4096 buckets some bucket has two.
    for (let i = 0; i < 4096; i++) table.put(u32(i), u64(i));
    const error = bpfErrorOf(() => {
      let cursor: Uint8Array | null = null;
      do cursor = table.readBatch({ limit: 1, cursor }).cursor;
      while (cursor !== null);
    }, 'ENOSPC');
    expect(error.message).toContain('bucket');
  });

  test('is read one by one when its type has no batches', () => {
    const queue = object.map('queue');
    expect(queue.typeName).toBe('queue');
    queue.put(new Uint8Array(0), u32(9));
    expect(queue.get(new Uint8Array(0))).toEqual(u32(9));
    // A queue has no keys to go by either.
    bpfErrorOf(() => queue.readBatch(), 'EINVAL');
  });

  test('of array type is read in batches with its index as cursor', () => {
    const counters = object.map('counters');
    for (let i = 0; i < 8; i++) counters.put(u32(i), u64(i * i));
    const seen: number[] = [];
    let cursor: Uint8Array | null = null;
    do {
      const batch = counters.readBatch({ limit: 3, cursor });
      for (let i = 0; i < batch.count; i++) seen.push(read32(batch.values, 8 * i));
      cursor = batch.cursor;
    } while (cursor !== null);
    expect(seen).toEqual([0, 1, 4, 9, 16, 25, 36, 49]);
    bpfErrorOf(() => counters.delete(u32(0)), 'EINVAL');
  });

  test('is closed with its object', () => {
    const table = object.map('table');
    table.put(u32(1), u64(1));
    const iterator = table.keys();
    iterator.next();
    object.close();
    bpfErrorOf(() => table.get(u32(1)), 'BPF_CLOSED');
    bpfErrorOf(() => table.put(u32(1), u64(1)), 'BPF_CLOSED');
    bpfErrorOf(() => table.readBatch(), 'BPF_CLOSED');
    bpfErrorOf(() => iterator.next(), 'BPF_CLOSED');
  });
});
