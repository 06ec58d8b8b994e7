/**
 * `node dist/wire/write-layout.js OBJECT FILE`: generates the layout from a
 * compiled tracer or, with `--counter`, counter. With `--check` it writes nothing and fails when FILE is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Btf } from 'ebpf-ts';
import {
  COUNT_ENUMS,
  COUNT_STRUCTS,
  generateLayout,
  WIRE_ENUMS,
  WIRE_STRUCTS,
} from './generate-layout.js';

/** The text of layout.gen.ts for a compiled tracer, of count-layout.gen.ts for a counter. */
export function layoutOf(objectFile: string, program: 'tracer' | 'counter' = 'tracer'): string {
  const isCounter = program === 'counter';
  const btf = Btf.fromObject(objectFile);
  try {
    return generateLayout(
      (isCounter ? COUNT_STRUCTS : WIRE_STRUCTS).map((name) => ({
        name,
        ...btf.structLayout(name),
      })),
      (isCounter ? COUNT_ENUMS : WIRE_ENUMS).map((name) => ({
        name,
        values: btf.enumValues(name),
      })),
      { program, header: isCounter ? 'bpf/counter-wire.h' : 'bpf/wire.h' },
    );
  } finally {
    btf.close();
  }
}

const [objectFile, file] = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
if (objectFile !== undefined && file !== undefined) {
  const text = layoutOf(objectFile, process.argv.includes('--counter') ? 'counter' : 'tracer');
  if (!process.argv.includes('--check')) {
    writeFileSync(file, text);
  } else if (readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`${file} is stale: npm run generate\n`);
    process.exitCode = 1;
  }
}
