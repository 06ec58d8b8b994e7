import type { HopscopeError } from '../model/errors.js';

/** A descriptor under the name by which it was kept. */
export interface StoredDescriptor {
  readonly name: string;
  readonly descriptor: number;
}

/**
 * Where descriptors are kept while no process of this daemon runs: what has one stays in the
 * kernel. Names are of letters, digits and `-`, and several descriptors may have one.
 */
export interface DescriptorStore {
  /** What an earlier process left, once: the caller's from then on. */
  take(): readonly StoredDescriptor[];
  /**
   * Keeps copies. They are made by and by: leave the descriptors open until `forget`.
   *
   * @returns false when there is no room for them
   */
  keep(name: string, descriptors: readonly number[]): boolean;
  /** Keeps nothing under the name any more. */
  forget(name: string): void;
  /** What was kept is in use again: counting goes on, on so many devices. */
  continued(devices: number): void;
  /** What was kept cannot be used, and counting begins anew. */
  refused(error: HopscopeError): void;
}
