import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { BpfObject, Btf, type Link } from 'ebpf-ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { features, testWith } from './kernel-feature.js';
import { createNetworkNamespace, type NetworkNamespace } from './network-namespace.js';

/** Slots of the counters in function.bpf.c. */
const SLOT = { entry: 0, exit: 1, moduleEntry: 2, moduleExit: 3 } as const;
const PROGRAMS = ['on_entry', 'on_exit'] as const;
const MODULE_PROGRAMS = ['on_module_entry', 'on_module_exit'] as const;

describeAsRoot('a program on a kernel function', () => {
  let object: BpfObject;
  let links: Link[];
  let netns: NetworkNamespace;

  beforeAll(() => {
    netns = createNetworkNamespace('ebpf-ts-function');
  });
  afterAll(() => {
    netns.remove();
  });
  beforeEach(() => {
    links = [];
    object = BpfObject.open(compileProgram('function'));
  });
  afterEach(() => {
    for (const link of links) link.close();
    object.close();
  });

  const attach = (names: readonly string[]): void => {
    for (const name of names) object.program(name).setAutoload(true);
    object.load();
    for (const name of names) links.push(object.program(name).attachBtf());
  };
  const counted = (slot: number): number => {
    const value = object.map('counters').get(new Uint8Array([slot, 0, 0, 0]));
    return value === null ? 0 : Number(new DataView(value.buffer).getBigUint64(0, true));
  };

  testWith('fentry')('runs at its entry and at its return, until the link is closed', () => {
    attach(PROGRAMS);
    expect(links.map((link) => link.kind)).toEqual(['btf', 'btf']);
    expect(links[0]?.info().programId).toBe(object.program('on_entry').info().id);
    netns.run('ping', '-c', '3', '-i', '0.05', '127.0.0.1');
    const after = counted(SLOT.entry);
    expect(after).toBeGreaterThanOrEqual(6);
    expect(counted(SLOT.exit)).toBe(after);
    for (const link of links) link.close();
    const closed = counted(SLOT.entry);
    netns.run('ping', '-c', '3', '-i', '0.05', '127.0.0.1');
    expect(counted(SLOT.entry)).toBe(closed);
  });

  testWith('fentry')('may be retargeted, not to a function that is not there', () => {
    bpfErrorOf(() => object.program('on_entry').setAttachTarget('no_such_function'), 'ESRCH');
    object.program('on_entry').setAttachTarget('ip_output');
    attach(['on_entry']);
    netns.run('ping', '-c', '3', '-i', '0.05', '127.0.0.1');
    expect(counted(SLOT.entry)).toBeGreaterThanOrEqual(6);
  });

  testWith('fentry')('runs on a function of a module', () => {
    netns.run('ip', 'link', 'add', 'dummy0', 'type', 'dummy');
    expect(existsSync('/sys/kernel/btf/dummy'), 'dummy is a module here').toBe(true);
    attach(MODULE_PROGRAMS);
    netns.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'dummy0');
    netns.run('ip', 'link', 'set', 'dummy0', 'up');
    try {
      netns.run('ping', '-c', '2', '-i', '0.05', '-W', '0.2', '192.0.2.2');
    } catch {
      // Nobody answers; what matters is that it asks.
    }
    const entered = counted(SLOT.moduleEntry);
    expect(entered).toBeGreaterThan(0);
    expect(counted(SLOT.moduleExit)).toBe(entered);
    for (const link of links) link.close();
    netns.run('ip', 'link', 'del', 'dummy0');
  });

  testWith('fentry')('does not load for what its module does not have', () => {
    object.program('on_nothing').setAutoload(true);
    const error = bpfErrorOf(() => object.load(), 'ENOENT');
    expect(error.log).toContain('on_nothing');
  });

  test('is refused with the errno of the probe where the kernel forbids it', () => {
    const { available, reason } = features.fentry;
    if (available) {
      expect(reason).toBeNull();
      return;
    }
    const error = bpfErrorOf(() => attach(['on_entry']), reason?.split(' ')[0] ?? '');
    expect(error.errno).toBeGreaterThan(0);
    expect(error.log).toContain('on_entry');
  });
});

describeAsRoot('the types of a module', () => {
  test('lie upon the types of the kernel, which may be closed first', () => {
    const kernel = Btf.kernel();
    const name = execFileSync('ls', ['/sys/kernel/btf'], { encoding: 'utf8' })
      .split('\n')
      .find((each) => each !== '' && each !== 'vmlinux');
    if (name === undefined) {
      // A kernel without modules: there is none to read.
      bpfErrorOf(() => Btf.module('nf_conntrack', kernel), 'ENOENT');
      kernel.close();
      return;
    }
    const module = Btf.module(name, kernel);
    kernel.close();
    expect(module.hasType('struct', 'sk_buff')).toBe(true);
    module.close();
    bpfErrorOf(() => Btf.module(name, kernel), 'BPF_CLOSED');
    bpfErrorOf(() => Btf.module(name, {} as never), 'BPF_BAD_ARGUMENT');
  });
});
