/**
 * `node dist/wire/write-layout.js OBJECT FILE`: generates the layout from a
 * compiled tracer. With `--check` it writes nothing and fails when FILE is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Btf } from 'ebpf-ts';
import { generateLayout, WIRE_ENUMS, WIRE_STRUCTS } from './generate-layout.js';

/** The text of layout.gen.ts for a compiled object. */
export function layoutOf(objectFile: string): string {
  const btf = Btf.fromObject(objectFile);
  try {
    return generateLayout(
      WIRE_STRUCTS.map((name) => ({ name, ...btf.structLayout(name) })),
      WIRE_ENUMS.map((name) => ({ name, values: btf.enumValues(name) })),
    );
  } finally {
    btf.close();
  }
}

const [objectFile, file] = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
if (objectFile !== undefined && file !== undefined) {
  const text = layoutOf(objectFile);
  if (!process.argv.includes('--check')) {
    writeFileSync(file, text);
  } else if (readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`${file} is stale: npm run generate\n`);
    process.exitCode = 1;
  }
}
