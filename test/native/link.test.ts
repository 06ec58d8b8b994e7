import { execFileSync } from 'node:child_process';
import { BpfObject, enableStats } from 'ebpf-ts';
import { expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';
import { programGone } from './kernel-state.js';

describeAsRoot('a link', () => {
  test('keeps its program running when the object is closed', async () => {
    const object = BpfObject.open(compileProgram('sample'));
    object.load();
    const { id } = object.program('on_raw').info();
    const link = object.program('on_raw').attachRawTracepoint('sys_enter');
    object.close();
    expect(link.info().programId).toBe(id);
    execFileSync('bpftool', ['prog', 'show', 'id', String(id)]);
    link.close();
    expect(await programGone(id)).toBe(true);
  });

  test('closes twice, by any name, and is of no use then', () => {
    const object = BpfObject.open(compileProgram('sample'));
    object.load();
    const link = object.program('on_raw').attachRawTracepoint('sys_enter');
    expect(link.closed).toBe(false);
    link.detach();
    link.close();
    link[Symbol.dispose]();
    expect(link.closed).toBe(true);
    bpfErrorOf(() => link.info(), 'BPF_CLOSED');
    object.close();
  });

  test('on the statistics makes the kernel count runs, until closed', () => {
    const object = BpfObject.open(compileProgram('sample'));
    object.load();
    const program = object.program('on_tcx');
    const packet = { data: new Uint8Array(64), repeat: 1 };
    const attached = object.program('on_raw').attachRawTracepoint('sys_enter');
    const stats = enableStats();
    expect(stats.kind).toBe('stats');
    execFileSync('true');
    const counted = object.program('on_raw').info();
    expect(counted.runCount).toBeGreaterThan(0n);
    expect(counted.runTimeNs).toBeGreaterThan(0n);
    expect(counted.recursionMisses).toBe(0n);
    stats.close();
    attached.close();
    expect(program.run(packet).returnValue).toBe(0xffff_ffff);
    object.close();
  });
});
