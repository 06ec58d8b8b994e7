import { readFileSync } from 'node:fs';
import { compilePacketFilter } from 'ebpf-ts';
import { describe, expect, it } from 'vitest';
import { KERNEL_PROGRAM_ROOM, kernelProgram } from '../../src/filter/kernel-program.js';
import { PacketFilter } from '../../src/filter/packet-filter.js';
import { attachTracer } from '../../src/source/filtered-tracer.js';
import { replaceFunction } from '../../src/source/object-function.js';
import { TRACER_OBJECT } from './tracer-object.js';

const compiled = (): Uint8Array => new Uint8Array(readFileSync(TRACER_OBJECT));

function codeOf(run: () => void): unknown {
  try {
    run();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return null;
}

describe('a function of an object', () => {
  it('has room for the largest program that a filter may be', () => {
    const body = new Uint8Array(KERNEL_PROGRAM_ROOM * 8);
    expect(codeOf(() => replaceFunction(compiled(), 'filter_raw', body))).toBeNull();
    const more = new Uint8Array(body.length + 64 * 8);
    expect(codeOf(() => replaceFunction(compiled(), 'filter_raw', more))).toBe('OBJECT_NO_ROOM');
  });

  it('is changed in place, and nothing else', () => {
    const before = compiled();
    const after = compiled();
    replaceFunction(after, 'filter_raw', kernelProgram(null));
    const changed = [...before].flatMap((byte, at) => (byte === after[at] ? [] : [at]));
    const [first = 0, last = 0] = [changed[0], changed[changed.length - 1]];
    expect(changed.length).toBeGreaterThan(0);
    expect(last - first).toBeLessThan((KERNEL_PROGRAM_ROOM + 64) * 8);
  });

  it('must be there', () => {
    const body = kernelProgram(null);
    expect(codeOf(() => replaceFunction(compiled(), 'filter', body))).toBe('OBJECT_NO_FUNCTION');
    const text = new TextEncoder().encode('no object at all '.repeat(8));
    expect(codeOf(() => replaceFunction(text, 'filter_raw', body))).toBe('OBJECT_FORMAT');
  });
});

describe('a filter that the kernel is not given', () => {
  it('leaves the tracer as it is without one, and reports it', async () => {
    const warnings: string[] = [];
    const tracer = await attachTracer(
      { objectFile: TRACER_OBJECT, ownPort: 0, namespaceFiltered: true },
      new PacketFilter('ip6 protochain 17', compilePacketFilter),
      new Map(),
      Promise.resolve(),
      (message) => warnings.push(message),
    );
    tracer.dispose();
    expect(warnings.length).toBe(1);
    expect(warnings[0]).toMatch(/outside the kernel.*loops/);
  });
});
