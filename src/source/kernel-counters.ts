import type { BpfMap } from 'ebpf-ts';

/** The u64 at `index` of a per-CPU array, summed over the CPUs. */
export function sumOfCpus(map: BpfMap, index: number): bigint {
  const values = map.get(new Uint8Array(Uint32Array.of(index).buffer));
  if (values === null) return 0n;
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  let sum = 0n;
  for (let at = 0; at + 8 <= values.byteLength; at += 8) sum += view.getBigUint64(at, true);
  return sum;
}
