import type { BpfMap } from 'ebpf-ts';
import type { KernelFunctionLookup } from './kernel-function-lookup.js';
import type { RecordReader } from './ring-reader.js';

/** Another process, which reads the records that this one has the kernel make. */
export interface RemoteReader extends RecordReader {
  /** Given the ring when it is there, before the first `read`. */
  open(ring: BpfMap): void;
  /** Given what names the functions that drops come from; null when nothing does. */
  functions(lookup: KernelFunctionLookup | null): void;
  /** Modules came or went: functions may have other names. */
  modulesChanged(): void;
  /** CPU time that it took so far, ms. */
  cpuMs(): number;
}
