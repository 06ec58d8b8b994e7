import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { release } from 'node:os';
import {
  type Feature,
  type Features,
  kernelRelease,
  libbpfVersion,
  possibleCpus,
  probe,
} from 'ebpf-ts';
import { expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { bpfDescriptors } from './kernel-state.js';

test('names the kernel, libbpf and the CPUs', () => {
  expect(kernelRelease()).toBe(release());
  expect(libbpfVersion()).toMatch(/^1\.\d+$/);
  expect(possibleCpus()).toBeGreaterThan(0);
});

describeAsRoot('the probe', () => {
  test('finds what this kernel allows, each with a reason when not', () => {
    const features = probe();
    const single: Feature[] = [
      features.btf,
      features.ringBuffer,
      features.tracepointBtf,
      features.fentry,
      features.netfilterLink,
      features.tcx,
      features.mapBatch,
      features.stats,
    ];
    const all = [
      ...single,
      ...Object.values(features.programTypes),
      ...Object.values(features.mapTypes),
      ...Object.values(features.helpers),
    ];
    for (const { available, reason } of all) {
      if (available) expect(reason).toBeNull();
      else expect(reason).toMatch(/^(E[A-Z0-9]+|LIBBPF_\w+|\/sys)/);
    }
    expect(features.btf.available).toBe(existsSync('/sys/kernel/btf/vmlinux'));
    // Every kernel from 5.8 has these, and root may use them.
    expect(features.ringBuffer).toMatchObject({
      available: true,
      reason: null,
      code: null,
      step: null,
    });
    expect(features.tracepointBtf).toMatchObject({
      available: true,
      reason: null,
      code: null,
      step: null,
    });
    expect(features.mapTypes['percpu_hash']).toMatchObject({
      available: true,
      reason: null,
      code: null,
      step: null,
    });
    const [major = 0, minor = 0] = release().split('.').map(Number);
    const atLeast = (wanted: number) => major > 6 || (major === 6 && minor >= wanted);
    expect(features.netfilterLink.available).toBe(atLeast(4));
    expect(features.tcx.available).toBe(atLeast(6));
  });

  test('gives EPERM as the reason to a process without privileges', () => {
    const script = `
      import { probe } from 'ebpf-ts';
      console.log(JSON.stringify(probe()));
    `;
    const output = execFileSync(
      'setpriv',
      [
        // Enough to read this checkout wherever it lies, and no more.
        ...['--inh-caps=-all', '--bounding-set=-all,+dac_override,+dac_read_search'],
        ...[process.execPath, '--input-type=module', '-e', script],
      ],
      { encoding: 'utf8', cwd: import.meta.dirname },
    );
    const features = JSON.parse(output) as Features;
    for (const feature of [
      features.ringBuffer,
      features.tracepointBtf,
      features.netfilterLink,
      features.tcx,
      features.stats,
      features.programTypes['tracing'],
      features.mapTypes['lru_hash'],
      features.helpers['loop'],
    ]) {
      expect(feature).toMatchObject({ available: false, code: 'EPERM' });
      expect(feature?.reason).toBe(`EPERM at step "${feature?.step}"`);
    }
  });

  test('leaves nothing behind', () => {
    probe();
    const before = bpfDescriptors();
    probe();
    expect(bpfDescriptors()).toBe(before);
  });
});
