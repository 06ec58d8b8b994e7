/** A fault of MTU or encapsulation, as `hopscope mtu` reports it: add to it, never rename in it. */

/** Those of the configuration, then those that only packets show. */
export type FaultId =
  | 'pod-mtu-above-tunnel'
  | 'tunnel-mtu-above-underlay'
  | 'tunnel-on-other-device'
  | 'veth-ends-differ'
  | 'bridge-port-differs'
  | 'bond-or-vlan-differs'
  | 'nodes-differ'
  | 'nopmtudisc'
  | 'icmp-dropped'
  | 'pmtu-cache-poisoned'
  | 'route-mtu-disagrees'
  | 'mss-not-clamped'
  | 'mss-too-big'
  | 'mtu-wasted'
  | 'icmp-not-translated'
  | 'blackhole'
  | 'bad-outer-checksum'
  | 'fragments';

/**
 * `error`: packets are or will be lost. `warning`: it works by luck or by fragments. `note`: bytes
 * are wasted.
 */
export type Severity = 'error' | 'warning' | 'note';

/** What a finding rests on: configuration that was read, or packets. */
export type Evidence = 'device' | 'route' | 'rule' | 'seen';

export interface FaultDevice {
  readonly netns: string;
  readonly dev: string;
}

/** Numbers in bytes, and words where it is no number. */
export type FaultValues = Readonly<Record<string, number | string | boolean | null>>;

export interface FaultRecord {
  readonly type: 'fault';
  readonly id: FaultId;
  readonly severity: Severity;
  readonly netns: string;
  readonly dev: string | null;
  /** The device it does not fit with; null where there is none. */
  readonly peer: FaultDevice | null;
  readonly found: FaultValues;
  readonly expected: FaultValues;
  readonly because: string;
  readonly evidence: readonly Evidence[];
  /** Flows that it hits; null where no flows were watched. */
  readonly flows: number | null;
  /** Ids of some of them; absent where no flows were watched. */
  readonly flowIds?: readonly string[];
  /** The command that corrects it, for a POSIX shell. */
  readonly remedy: string;
}
