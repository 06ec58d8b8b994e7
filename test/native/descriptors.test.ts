import { closeSync, fstatSync, openSync } from 'node:fs';
import {
  adoptMap,
  BpfObject,
  DESCRIPTORS_MAX,
  RingBuffer,
  receiveDescriptors,
  runDescriptor,
  sendDescriptors,
  socketPair,
} from 'ebpf-ts';
import { expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';

test('descriptors cross in one message, and are others of the same file', () => {
  const [near, far] = socketPair();
  const file = openSync('/etc/hostname', 'r');
  sendDescriptors(near, [file, file]);
  const received = receiveDescriptors(far);
  expect(received).toHaveLength(2);
  expect(received).not.toContain(file);
  for (const each of received) expect(fstatSync(each).ino).toBe(fstatSync(file).ino);
  for (const each of [...received, file, near, far]) closeSync(each);
});

test('what cannot be sent or received is an error', () => {
  const [near, far] = socketPair();
  bpfErrorOf(() => receiveDescriptors(far), 'EAGAIN');
  bpfErrorOf(() => sendDescriptors(near, []), 'BPF_BAD_ARGUMENT');
  const tooMany = Array.from({ length: DESCRIPTORS_MAX + 1 }, () => near);
  bpfErrorOf(() => sendDescriptors(near, tooMany), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => sendDescriptors(near, [-1]), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => sendDescriptors(near, [100_000]), 'EBADF');
  closeSync(near);
  bpfErrorOf(() => receiveDescriptors(far), 'ECONNRESET');
  bpfErrorOf(() => sendDescriptors(far, [far]), 'EPIPE');
  closeSync(far);
});

test('what is no map and no program is an error', () => {
  const file = openSync('/etc/hostname', 'r');
  bpfErrorOf(() => adoptMap(file), 'EINVAL');
  bpfErrorOf(() => runDescriptor(file, new Uint8Array(8)), 'EINVAL');
  bpfErrorOf(() => adoptMap(-1), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => adoptMap(100_000), 'EBADF');
  closeSync(file);
});

describeAsRoot('a map that was handed over', () => {
  test('is read after the object that made it was closed', () => {
    const object = BpfObject.open(compileProgram('ring'));
    object.load();
    const payload = Uint8Array.from({ length: 4096 }, (_, i) => i & 0xff);
    object.map('payloads').put(new Uint8Array(4), payload);
    const payloads = adoptMap(object.map('payloads').descriptor());
    const ring = adoptMap(object.map('ring').descriptor());
    object.close();
    expect(payloads.get(new Uint8Array(4))).toEqual(payload);
    expect(ring).toMatchObject({ name: 'ring', typeName: 'ringbuf' });
    const buffer = new RingBuffer(ring);
    expect(buffer.drain(new Uint8Array(4096))).toEqual({ records: 0, bytes: 0 });
    buffer.close();
  });
});
