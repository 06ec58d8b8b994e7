import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { BpfObject, RECORD_HEADER_BYTES, RingBuffer } from 'ebpf-ts';
import { afterEach, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';

const closeables: { close(): void }[] = [];

function closing<T extends { close(): void }>(thing: T): T {
  closeables.push(thing);
  return thing;
}

afterEach(() => {
  for (const thing of closeables.splice(0).reverse()) thing.close();
});

function load(ringBytes = 4096): BpfObject {
  const object = closing(BpfObject.open(compileProgram('ring')));
  object.setMapMaxEntries('ring', ringBytes);
  object.load();
  // A pattern to recognise; the first four bytes become the sequence number.
  const payload = Uint8Array.from({ length: 4096 }, (_, i) => (i * 7 + 3) & 0xff);
  object.map('payloads').put(new Uint8Array(4), payload);
  return object;
}

/** Asks the program for records; returns how many the ring refused. */
function produce(object: BpfObject, program: string, count: number, size: number, first = 0) {
  const context = new Uint8Array(new Uint32Array([count, size, first, 0]).buffer);
  const result = object.program(program).run({ context });
  expect(result.returnValue).toBe(0);
  return new DataView(result.context.buffer).getUint32(12, true);
}

interface Taken {
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** Reads a drained target as the documentation describes it. */
function parse(target: Uint8Array, bytes: number): Taken[] {
  const view = new DataView(target.buffer, target.byteOffset, bytes);
  const taken: Taken[] = [];
  let at = 0;
  while (at < bytes) {
    const length = view.getUint32(at, true);
    expect(view.getUint32(at + 4, true)).toBe(0);
    const start = at + RECORD_HEADER_BYTES;
    const end = start + length;
    at = start + Math.ceil(length / 8) * 8;
    expect([...target.subarray(end, at)]).toEqual(new Array(at - end).fill(0));
    taken.push({ sequence: view.getUint32(start, true), payload: target.slice(start, end) });
  }
  expect(at).toBe(bytes);
  return taken;
}

function expectPattern(record: Taken, size: number): void {
  expect(record.payload.length).toBe(size);
  for (let i = 4; i < size; i++) {
    if (record.payload[i] !== ((i * 7 + 3) & 0xff)) throw new Error(`byte ${i} is wrong`);
  }
}

describeAsRoot('a ring buffer', () => {
  test('is empty at first', () => {
    const ring = closing(new RingBuffer(load().map('ring')));
    expect(ring.available()).toBe(0);
    expect(ring.drain(new Uint8Array(64))).toEqual({ records: 0, bytes: 0 });
    expect(ring.drain(new Uint8Array(0))).toEqual({ records: 0, bytes: 0 });
  });

  test.each([4, 5, 7, 8, 9, 15, 16, 17, 100])('gives records of %i bytes whole', (size) => {
    const object = load();
    const ring = closing(new RingBuffer(object.map('ring')));
    expect(produce(object, 'produce', 5, size, 100)).toBe(0);
    const target = new Uint8Array(4096).fill(0xee);
    const { records, bytes } = ring.drain(target);
    expect(records).toBe(5);
    expect(bytes).toBe(5 * (RECORD_HEADER_BYTES + Math.ceil(size / 8) * 8));
    const taken = parse(target, bytes);
    expect(taken.map((record) => record.sequence)).toEqual([100, 101, 102, 103, 104]);
    for (const record of taken) expectPattern(record, size);
    // Nothing is written past what was filled.
    expect(target[bytes]).toBe(0xee);
    expect(ring.available()).toBe(0);
  });

  test('stops at the end of the target and keeps the rest', () => {
    const object = load();
    const ring = closing(new RingBuffer(object.map('ring')));
    produce(object, 'produce', 10, 16);
    const target = new Uint8Array(3 * 24 + 23);
    const seen: number[] = [];
    for (let round = 0; round < 4; round++) {
      const { records, bytes } = ring.drain(target);
      expect(records).toBe(round < 3 ? 3 : 1);
      seen.push(...parse(target, bytes).map((record) => record.sequence));
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(ring.drain(target).records).toBe(0);
  });

  test('takes an exact fit, and refuses a target one byte smaller', () => {
    const object = load();
    const ring = closing(new RingBuffer(object.map('ring')));
    produce(object, 'produce', 1, 16);
    const error = bpfErrorOf(() => ring.drain(new Uint8Array(23)), 'BPF_TARGET_TOO_SMALL');
    expect(error.message).toContain('24 bytes');
    bpfErrorOf(() => ring.drain(new Uint8Array(0)), 'BPF_TARGET_TOO_SMALL');
    // Nothing was lost by the refusal.
    expect(ring.drain(new Uint8Array(24))).toEqual({ records: 1, bytes: 24 });
  });

  test('refuses records when full, and goes on once drained', () => {
    const object = load();
    const ring = closing(new RingBuffer(object.map('ring')));
    // 24 bytes each; the kernel fills a ring up to one byte less than its size.
    expect(produce(object, 'produce', 200, 16)).toBe(200 - Math.floor(4095 / 24));
    expect(ring.available()).toBe(170 * 24);
    const target = new Uint8Array(8192);
    expect(ring.drain(target).records).toBe(170);
    expect(produce(object, 'produce', 10, 16, 500)).toBe(0);
    const { bytes } = ring.drain(target);
    expect(parse(target, bytes)[9]?.sequence).toBe(509);
  });

  test('carries the largest record that a ring takes, and not one larger', () => {
    const object = load();
    const ring = closing(new RingBuffer(object.map('ring')));
    const target = new Uint8Array(8192);
    for (const [size, refused] of [
      [4080, 0],
      [4081, 1],
      [4096, 1],
    ] as const) {
      expect(produce(object, 'produce', 1, size), `${size} bytes`).toBe(refused);
      const { records, bytes } = ring.drain(target);
      expect(records).toBe(1 - refused);
      for (const record of parse(target, bytes)) expectPattern(record, size);
    }
  });

  test('reads records that lie across its end, many times round', () => {
    const object = load();
    const ring = closing(new RingBuffer(object.map('ring')));
    const target = new Uint8Array(4096);
    let expected = 0;
    // 1000-byte records on a 4096-byte ring meet the end at every offset there is.
    for (let round = 0; round < 600; round++) {
      expect(produce(object, 'produce', 3, 1000, expected)).toBe(0);
      const { records, bytes } = ring.drain(target);
      expect(records).toBe(3);
      for (const record of parse(target, bytes)) {
        expect(record.sequence).toBe(expected);
        expectPattern(record, 1000);
        expected++;
      }
    }
  });

  test('passes over discarded records', () => {
    const object = load();
    const ring = closing(new RingBuffer(object.map('ring')));
    produce(object, 'discard', 3, 0);
    produce(object, 'produce', 2, 8, 40);
    produce(object, 'discard', 3, 0);
    produce(object, 'produce', 1, 8, 42);
    const target = new Uint8Array(64);
    const { bytes } = ring.drain(target);
    expect(parse(target, bytes).map((record) => record.sequence)).toEqual([40, 41, 42]);
    expect(ring.available()).toBe(0);
    produce(object, 'discard', 85, 0);
    expect(ring.available()).toBe(85 * 48);
    expect(ring.drain(new Uint8Array(0)).records).toBe(0);
    expect(ring.available()).toBe(0);
  });

  test('drains into any view: an offset, a Buffer, shared memory', () => {
    const object = load();
    const ring = closing(new RingBuffer(object.map('ring')));
    const whole = new Uint8Array(100).fill(1);
    const targets = [
      whole.subarray(10, 34),
      Buffer.from(new ArrayBuffer(24)),
      new Uint8Array(new SharedArrayBuffer(24)),
    ];
    for (const [i, target] of targets.entries()) {
      produce(object, 'produce', 1, 16, i);
      const { bytes } = ring.drain(target);
      expect(parse(target, bytes)[0]?.sequence).toBe(i);
    }
    expect([whole[9], whole[34]]).toEqual([1, 1]);
  });

  test('has one consumer at a time', () => {
    const object = load();
    const first = closing(new RingBuffer(object.map('ring')));
    const error = bpfErrorOf(() => new RingBuffer(object.map('ring')), 'EBUSY');
    expect(error.errno).toBe(16);
    first.close();
    closing(new RingBuffer(object.map('ring')));
  });

  test('outlives its object', () => {
    const object = load();
    const ring = closing(new RingBuffer(object.map('ring')));
    produce(object, 'produce', 2, 8);
    object.close();
    expect(ring.drain(new Uint8Array(64)).records).toBe(2);
  });

  test('refuses what is not a ring buffer, a target that is not bytes, and use after close', () => {
    const object = load();
    bpfErrorOf(() => new RingBuffer(object.map('payloads')), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => new RingBuffer({} as never), 'BPF_BAD_ARGUMENT');
    const ring = closing(new RingBuffer(object.map('ring')));
    bpfErrorOf(() => ring.drain(new Uint16Array(4) as never), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => ring.drain([] as never), 'BPF_BAD_ARGUMENT');
    ring.close();
    ring.close();
    expect(ring.closed).toBe(true);
    bpfErrorOf(() => ring.drain(new Uint8Array(8)), 'BPF_CLOSED');
    bpfErrorOf(() => ring.available(), 'BPF_CLOSED');
  });

  test('loses and repeats nothing while two processes write to it', async () => {
    // Each waits for a line, so that its number is known before the program is loaded.
    const children = [0, 1].map(() =>
      spawn(
        'nice',
        ['sh', '-c', 'read go; exec dd if=/dev/zero of=/dev/null bs=1 count=20000000'],
        {
          stdio: ['pipe', 'ignore', 'ignore'],
        },
      ),
    );
    for (const child of children) closing({ close: () => child.kill('SIGKILL') });
    const object = closing(BpfObject.open(compileProgram('ring')));
    object.setMapMaxEntries('ring', 1_048_576);
    object.setConstant(
      'producers',
      new Uint8Array(Uint32Array.from(children, (child) => child.pid ?? 0).buffer),
    );
    object.load();
    const ring = closing(new RingBuffer(object.map('ring')));
    closing(object.program('on_syscall').attachRawTracepoint('sys_enter'));
    const exits = children.map((child) => once(child, 'exit'));
    for (const child of children) child.stdin.end('go\n');

    const target = new Uint8Array(16_384);
    const next = [0, 0];
    const drainSome = (): void => {
      for (let rounds = 0; rounds < 100; rounds++) {
        const { records, bytes } = ring.drain(target);
        if (records === 0) return;
        const view = new DataView(target.buffer, 0, bytes);
        for (let at = 0; at < bytes; at += 56) {
          if (view.getUint32(at, true) !== 48) throw new Error(`a record is torn at ${at}`);
          const producer = view.getUint32(at + 8, true);
          const sequence = view.getUint32(at + 12, true);
          if (sequence !== next[producer] || target[at + 55] !== (sequence & 0xff)) {
            throw new Error(`producer ${producer}: ${sequence} came, not ${next[producer]}`);
          }
          next[producer] = sequence + 1;
        }
      }
    };
    // More than twice round the ring, which holds 18,724 of them; how long that takes
    // depends on what else the machine does.
    const end = performance.now() + 40_000;
    while ((next[0] ?? 0) + (next[1] ?? 0) < 50_000 && performance.now() < end) {
      drainSome();
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(exits);
    // A mebibyte at 16 KiB a round.
    drainSome();
    const tallies = [...object.map('tallies').entries()].map(([, value]) => {
      const view = new DataView(value.buffer);
      return { sent: view.getBigUint64(0, true), lost: view.getBigUint64(8, true) };
    });
    expect(next.map(BigInt)).toEqual(tallies.map((tally) => tally.sent));
    expect((next[0] ?? 0) + (next[1] ?? 0)).toBeGreaterThanOrEqual(50_000);
    for (const { sent } of tallies) expect(sent).toBeGreaterThan(0n);
  });
});
