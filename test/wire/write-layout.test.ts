import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { layoutOf } from '../../src/wire/write-layout.js';

test('the generated layout is that of the compiled tracer', () => {
  const object = fileURLToPath(new URL('../../dist/bpf/tracer.bpf.o', import.meta.url));
  const generated = new URL('../../src/wire/layout.gen.ts', import.meta.url);
  expect(layoutOf(object)).toBe(readFileSync(generated, 'utf8'));
});

test('the generated layout of counts is that of the compiled counter', () => {
  const object = fileURLToPath(new URL('../../dist/bpf/counter.bpf.o', import.meta.url));
  const generated = new URL('../../src/wire/count-layout.gen.ts', import.meta.url);
  expect(layoutOf(object, 'counter')).toBe(readFileSync(generated, 'utf8'));
});
