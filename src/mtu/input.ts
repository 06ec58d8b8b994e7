import type { Machine, Namespace } from '../network/machine.js';
import type { ErrorDrop } from './firewall-verdict.js';
import type { Pod } from './pods.js';
import type { TunnelWay } from './tunnel-ways.js';
import type { Way } from './ways.js';

/** What every detector looks at, made once. */
export interface AuditInput {
  readonly machine: Machine;
  readonly pods: readonly Pod[];
  readonly ways: readonly Way[];
  readonly tunnels: readonly TunnelWay[];
  /** What drops the errors of path MTU discovery, of every namespace. */
  readonly drops: ReadonlyMap<Namespace, readonly ErrorDrop[]>;
}
