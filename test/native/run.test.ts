import { statSync } from 'node:fs';
import { cpus } from 'node:os';
import { BpfObject } from 'ebpf-ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { createNetworkNamespace, type NetworkNamespace } from './network-namespace.js';

describeAsRoot('a program run by request', () => {
  let object: BpfObject;
  let netns: NetworkNamespace;

  beforeAll(() => {
    netns = createNetworkNamespace('ebpf-ts-run');
    object = BpfObject.open(compileProgram('run'));
    object.load();
  });
  afterAll(() => {
    object.close();
    netns.remove();
  });

  test('runs on each CPU that it is asked to', () => {
    const program = object.program('which_cpu');
    const seen = cpus().map((_, cpu) => program.run({ cpu }).returnValue);
    expect(seen).toEqual(cpus().map((_, cpu) => cpu));
    bpfErrorOf(() => program.run({ cpu: 2 ** 20 }), 'ENXIO');
  });

  test('runs in the namespace it is asked to, and the caller stays in its own', () => {
    const program = object.program('which_netns');
    const own = statSync('/proc/self/ns/net').ino;
    expect(program.run().returnValue).toBe(own);
    expect(program.run({ netns: netns.path }).returnValue).toBe(statSync(netns.path).ino);
    expect(program.run().returnValue).toBe(own);
    bpfErrorOf(() => program.run({ netns: '/run/netns/no-such' }), 'ENOENT');
    const error = bpfErrorOf(() => program.run({ netns: '/etc/hostname' }), 'EINVAL');
    expect(error.message).toContain('setns of network namespace /etc/hostname');
  });

  test('refuses what cannot be', () => {
    const program = object.program('which_cpu');
    bpfErrorOf(() => program.run({ cpu: 0, netns: netns.path }), 'BPF_BAD_ARGUMENT');
    for (const cpu of [-1, 0.5, '0', null]) {
      bpfErrorOf(() => program.run({ cpu: cpu as never }), 'BPF_BAD_ARGUMENT');
    }
    bpfErrorOf(() => program.run({ netns: '' }), 'BPF_BAD_ARGUMENT');
  });
});
