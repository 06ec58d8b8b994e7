// Helpers of the scripts that the life cycle tests run in processes of their own.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Descriptors of this process that are programs, maps, links, BTF or perf events. */
export function bpfDescriptors() {
  let count = 0;
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      if (/bpf|btf|perf_event/.test(readlinkSync(`/proc/self/fd/${name}`))) count++;
    } catch {
      // The descriptor of the listing itself.
    }
  }
  return count;
}

/** How many mappings of ring buffers this process has. */
export function ringMappings() {
  return readFileSync('/proc/self/maps', 'utf8').match(/bpf-map/g)?.length ?? 0;
}

/**
 * Waits until `done` holds, at most `limitMs`.
 * @param {() => boolean} done
 * @param {number} [limitMs]
 */
export async function until(done, limitMs = 10_000) {
  const end = performance.now() + limitMs;
  while (!done() && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The object file that the script was given. */
export function objectPath() {
  const path = process.argv[2];
  if (path === undefined) throw new Error('usage: node SCRIPT OBJECT');
  return path;
}
