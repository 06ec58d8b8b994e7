import { closeSync, fstatSync, openSync } from 'node:fs';
import {
  adoptLink,
  adoptMap,
  BpfObject,
  DESCRIPTORS_MAX,
  probeTcx,
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
import { programGone } from './kernel-state.js';

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
  bpfErrorOf(() => adoptLink(file), 'EINVAL');
  bpfErrorOf(() => adoptLink(-1), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => adoptLink(100_000), 'EBADF');
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

describeAsRoot('a link that was handed over', () => {
  const object = (): BpfObject => {
    const opened = BpfObject.open(compileProgram('sample'));
    opened.load();
    return opened;
  };

  test('stays attached when the first descriptor is closed', async () => {
    const first = object();
    const link = first.program('on_raw').attachRawTracepoint('sys_enter');
    const adopted = adoptLink(link.descriptor());
    const { id } = link.info();
    link.close();
    first.close();
    expect(adopted).toMatchObject({ kind: 'other' });
    expect(adopted.info().id).toBe(id);
    const { programId } = adopted.info();
    await adopted.closeAsync();
    expect(await programGone(programId)).toBe(true);
  });

  test('is no map, and a map is no link', () => {
    const first = object();
    const link = first.program('on_raw').attachRawTracepoint('sys_enter');
    const [map] = first.maps;
    bpfErrorOf(() => adoptMap(link.descriptor()), 'EINVAL');
    bpfErrorOf(() => adoptLink(map?.descriptor() ?? -1), 'EINVAL');
    link.close();
    bpfErrorOf(() => link.descriptor(), 'BPF_CLOSED');
    first.close();
  });

  test.skipIf(!probeTcx().available)('of tcx is detached for all who have it', async () => {
    const first = object();
    const program = first.program('on_tcx');
    const link = program.attachTcx({ ifindex: 1, direction: 'ingress' });
    const adopted = adoptLink(link.descriptor());
    expect(adopted).toMatchObject({ kind: 'tcx' });
    expect(adopted.info().tcx).toMatchObject({ ifindex: 1 });
    await link.detachForAll();
    expect(adopted.info().tcx).toMatchObject({ ifindex: 0 });
    // Again, and where there is nothing to detach.
    await link.detachForAll();
    await adopted.detachForAll();
    first.close();
  });
});
