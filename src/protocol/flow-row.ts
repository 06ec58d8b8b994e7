import type { EncapsulationType, MtuVerdict } from './records.js';

/**
 * What became of a flow's packets: `lossy` means that some were dropped while the
 * newest known one was not.
 */
export type RowVerdict = 'delivered' | 'forwarded' | 'lossy' | 'dropped' | 'unknown';

export interface Endpoint {
  readonly address: string;
  readonly port: number | null;
}

/** One flow as the table shows it. Rates are over a second or more, `null` when not known yet. */
export interface FlowRow {
  readonly id: string;
  readonly state: string;
  /** Set where it has ended and is kept for readers. */
  readonly ended?: true | undefined;
  /** Wall-clock nanoseconds since the epoch. */
  readonly start: string;
  readonly last: string;
  readonly proto: string;
  readonly service: string | null;
  readonly srcName: string | null;
  readonly srcNode: string | null;
  readonly src: Endpoint;
  /** Where the source sent it. */
  readonly dst: Endpoint;
  readonly dstName: string | null;
  readonly dstNode: string | null;
  /** Whether an answer was seen; else translations are not known, whatever these two say. */
  readonly answered: boolean;
  /** Translated destination, `null` when it stayed as sent. */
  readonly dnat: Endpoint | null;
  /** Translated source, `null` when it stayed as sent. */
  readonly snat: Endpoint | null;
  readonly verdict: RowVerdict;
  readonly dropReason: string | null;
  readonly drops: string;
  readonly encapsulation: readonly {
    readonly type: EncapsulationType;
    readonly overhead: number;
  }[];
  readonly mtu: MtuVerdict;
  readonly packets: string;
  readonly bytes: string;
  readonly packetsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
  /** Nanoseconds from first to last hop in the original direction. */
  readonly p50: number | null;
  readonly p99: number | null;
  /** What is known of its ends, one `field:value` each: see flow-tags.ts. Absent where nothing is. */
  readonly tags?: readonly string[] | undefined;
}

export interface Rate {
  readonly packetsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
}
