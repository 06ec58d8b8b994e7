import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { generateLayout } from '../../src/wire/generate-layout.js';
import * as layout from '../../src/wire/layout.gen.js';

test('names constants after structs and their members, and gives the snapshot its length', () => {
  const text = generateLayout(
    [
      {
        name: 'hs_hop',
        size: 24,
        members: [
          { name: 'len', offset: 0, size: 4 },
          { name: 'snap', offset: 8, size: 16 },
        ],
      },
    ],
    [{ name: 'hs_stage', values: new Map([['HS_STAGE_EGRESS', 1]]) }],
  );
  expect(text.split('\n').slice(3)).toEqual([
    'export const STAGE_EGRESS = 1;',
    '',
    'export const SIZEOF_HOP = 24;',
    'export const HOP_LEN = 0;',
    'export const HOP_SNAP = 8;',
    '',
    'export const SNAP_LENGTH = 16;',
    '',
  ]);
});

test('the layout in use has the sizes that the wire header asserts', () => {
  const header = readFileSync(new URL('../../bpf/wire.h', import.meta.url), 'utf8');
  const snap = Number(/#define HS_SNAP_LEN (\d+)/u.exec(header)?.[1]);
  expect(layout.SNAP_LENGTH).toBe(snap);
  expect(layout.SIZEOF_HOP).toBe(layout.HOP_SNAP + snap);
  expect(layout.SIZEOF_HOP_CT).toBe(layout.SIZEOF_HOP + 16 + 2 * layout.SIZEOF_TUPLE);
  for (const size of [
    layout.SIZEOF_HOP,
    layout.SIZEOF_HOP_CT,
    layout.SIZEOF_DELIVER,
    layout.SIZEOF_CONNECT,
  ]) {
    expect(size % 8).toBe(0);
  }
});
