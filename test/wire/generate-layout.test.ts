import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { generateLayout, WIRE_ENUMS, WIRE_STRUCTS } from '../../src/wire/generate-layout.js';
import * as layout from '../../src/wire/layout.gen.js';

test('names constants after enums, structs and their members', () => {
  const text = generateLayout(
    [
      {
        name: 'hs_hop',
        size: 24,
        members: [
          { name: 'len', offset: 0, size: 4 },
          { name: 'flags', offset: 8, size: 16 },
        ],
      },
      { name: 'hs_tuple4', size: 12, members: [{ name: 'src', offset: 0, size: 4 }] },
    ],
    [
      {
        name: 'hs_stage',
        values: new Map<string, number | bigint>([
          ['HS_STAGE_EGRESS', 1],
          ['HS_STAGE_DROP', 5n],
        ]),
      },
    ],
  );
  expect(text.split('\n').slice(3)).toEqual([
    'export const STAGE_EGRESS = 1;',
    'export const STAGE_DROP = 5;',
    '',
    'export const SIZEOF_HOP = 24;',
    'export const HOP_LEN = 0;',
    'export const HOP_FLAGS = 8;',
    '',
    'export const SIZEOF_TUPLE4 = 12;',
    'export const TUPLE4_SRC = 0;',
    '',
  ]);
});

test('the layout in use has the sizes that the wire header asserts', () => {
  const header = readFileSync(new URL('../../bpf/wire.h', import.meta.url), 'utf8');
  const asserted = [...header.matchAll(/_Static_assert\(sizeof\(struct hs_(\w+)\) == (\d+)/gu)];
  const sizes: Record<string, number> = layout;
  expect(asserted.length).toBeGreaterThan(8);
  for (const [, name = '', size] of asserted) {
    expect([name, sizes[`SIZEOF_${name.toUpperCase()}`]]).toEqual([name, Number(size)]);
    // Whatever follows a record, a hop or a block is aligned.
    expect(Number(size) % 8).toBe(0);
  }
});

test('every struct and enum of the wire header is generated', () => {
  const header = readFileSync(new URL('../../bpf/wire.h', import.meta.url), 'utf8');
  const named = (kind: string): string[] =>
    [...header.matchAll(new RegExp(`^${kind} (hs_\\w+) \\{`, 'gmu'))].map(([, name]) => name ?? '');
  // The one that names all the others.
  expect(WIRE_STRUCTS).toEqual(named('struct').filter((name) => name !== 'hs_wire'));
  expect([...WIRE_ENUMS].sort()).toEqual(named('enum').sort());
});
