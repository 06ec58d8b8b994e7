import type { FaultRecord, WayRecord } from 'hopscope-protocol';
import type { NamespaceDescription } from '../network/description.js';

/** Of one audit, as it crosses to who shows it: plain values. */
export interface ConfiguredMtu {
  readonly faults: readonly FaultRecord[];
  readonly ways: readonly WayRecord[];
  /** How namespaces are entered, for commands. */
  readonly namespaces: readonly Pick<NamespaceDescription, 'name' | 'given' | 'isOwn' | 'path'>[];
  readonly leftOut: number;
}
