/** What `hopscope mtu --probe` reports: add to it, never rename in it. */
import type { MtuDeviceRecord } from 'hopscope-protocol';

export interface ProbeEndRecord {
  /** `null` where it is not on this machine. */
  readonly netns: string | null;
  readonly address: string;
}

/** Why a probe did not arrive, as far as its own trace, an ICMP error and the devices say. */
export interface ProbeRefusalRecord {
  /** Bytes of the IP packet as it was sent. */
  readonly size: number;
  /** The last device that saw it; `null` where it was not sent at all, or not seen. */
  readonly seenBy: MtuDeviceRecord | null;
  /** The device that takes no more; `null` where it is not known. */
  readonly refusedBy: MtuDeviceRecord | null;
  /** Drop reason of the kernel, and the function that dropped it. */
  readonly reason: string | null;
  readonly location: string | null;
  /** The error that told the sender; `null` where none came. */
  readonly icmp: { readonly from: string; readonly mtu: number | null } | null;
  /** Id of the path that `hopscope trace` has of it. */
  readonly path: string | null;
}

export interface SentProbeRecord {
  readonly size: number;
  /** `silent`: it was not seen to arrive, and nothing came back. */
  readonly outcome: 'passed' | 'refused' | 'silent';
  /** Whether a reply came; one that passed without was seen to arrive. */
  readonly answered: boolean;
}

/** One direction. Bytes of IP. */
export interface ProbeRecord {
  readonly type: 'probe';
  readonly src: ProbeEndRecord;
  readonly dst: ProbeEndRecord;
  /** What devices and routes of this machine say that fits; `null` where they do not say. */
  readonly configured: number | null;
  /** The largest packet that passed. */
  readonly largest: number;
  /** The next larger one; `null` where no packet can be larger. */
  readonly refused: ProbeRefusalRecord | null;
  /** In the order in which they were sent. */
  readonly probes: readonly SentProbeRecord[];
}
