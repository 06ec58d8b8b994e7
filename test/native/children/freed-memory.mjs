// @ts-check
import { readFileSync } from 'node:fs';
import { boundMalloc } from 'ebpf-ts';

/* node --expose-gc freed-memory.mjs bound|as-it-is: bytes that stay after 64 MiB were freed */

const MIB = 1 << 20;
const COUNT = 64;
/** Too large for what is free elsewhere: each stands between two of the large ones. */
const SMALL_BYTES = 100_000;
const gc = /** @type {() => void} */ (/** @type {any} */ (globalThis).gc);

function resident() {
  return 1_024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

/** V8 gives arrays back on a thread of its own. */
async function settled() {
  for (let round = 0; round < 5; round += 1) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** @param {number} bytes */
const filled = (bytes) => new Uint8Array(bytes).fill(1);

if (process.argv[2] === 'bound') boundMalloc({ mappedBytes: SMALL_BYTES, arenas: 2 });
// A mapping that is freed raises glibc's threshold to its size.
filled(16 * MIB);
await settled();
const before = resident();
const small = [];
let large = [];
for (let index = 0; index < COUNT; index += 1) {
  large.push(filled(MIB));
  small.push(filled(SMALL_BYTES));
}
large = [];
await settled();
process.stdout.write(`${resident() - before - small.length * SMALL_BYTES}\n`);
