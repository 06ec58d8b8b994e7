import { readFileSync } from 'node:fs';
import { BpfObject } from 'ebpf-ts';
import type { KernelFilter } from '../../src/filter/kernel-program.js';
import { replaceFunction } from '../../src/source/object-function.js';
import { compileProgram } from '../native/compile-program.js';

const PROGRAMS = new URL('programs/', import.meta.url);
/** struct trial of programs/filter-trial.bpf.c. */
const BYTES_AT = 24;
const EXAMINED_AT = BYTES_AT + 2 * 176;
const TRIAL_SIZE = EXAMINED_AT + 24;
/** EXAMINED_BITS of bpf/filter.h. */
const EXAMINED_BITS = 3n << 48n;
/** Most bytes of a snapshot. */
export const SNAPSHOT_BYTES = 176;

/** A packet as a snapshot has it. */
export interface Shown {
  readonly bytes: Uint8Array;
  /** Of the network header; 0 without a link header. */
  readonly l3Offset: number;
  readonly wireLength: number;
}

/** bpf/filter.h with a filter in it, loaded into this kernel. */
export class FilterTrial {
  readonly #object: BpfObject;

  constructor(filter: KernelFilter) {
    const bytes = new Uint8Array(readFileSync(compileProgram('filter-trial', PROGRAMS)));
    replaceFunction(bytes, 'filter_ethernet', filter.ethernet);
    replaceFunction(bytes, 'filter_raw', filter.raw);
    this.#object = BpfObject.open(bytes, { name: 'trial' });
    this.#object.setMapMaxEntries('events', 4096);
    this.#object.load();
  }

  /** What the program for bare packets says. */
  raw(packet: Shown): boolean {
    this.#show(packet);
    return this.#run('try_raw') === 1;
  }

  /** What the whole of it says, and the identity that it and sampling find. */
  examine(packet: Shown): { matched: boolean; identity: bigint; sampled: bigint } {
    this.#show(packet);
    const matched = this.#run('try_examine') === 1;
    const value = this.#object.map('trials').get(new Uint8Array(4)) as Uint8Array;
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    return {
      matched,
      identity: view.getBigUint64(EXAMINED_AT, true) & ~EXAMINED_BITS,
      sampled: view.getBigUint64(EXAMINED_AT + 8, true),
    };
  }

  close(): void {
    this.#object.close();
  }

  #show({ bytes, l3Offset, wireLength }: Shown): void {
    const value = new Uint8Array(TRIAL_SIZE);
    const view = new DataView(value.buffer);
    // What lies after the bytes is what lay there before, and must not matter.
    value.fill(0x45, BYTES_AT, EXAMINED_AT);
    value.set(bytes, BYTES_AT);
    view.setUint16(8, l3Offset, true);
    view.setUint16(10, bytes.length, true);
    view.setUint32(EXAMINED_AT + 16, wireLength, true);
    this.#object.map('trials').put(new Uint8Array(4), value);
  }

  #run(name: string): number {
    return this.#object.program(name).run({}).returnValue;
  }
}
