import type { EncapsulationType, MtuVerdict } from './records.js';

/** A device with the MTU that it has, bytes. */
export interface MtuDeviceRecord {
  readonly netns: string;
  /** `null` where the kernel names none. */
  readonly dev: string | null;
  readonly mtu: number | null;
}

/** One direction of a flow: what it sent, and what its way takes. Bytes. */
export interface MtuWayRecord {
  /** Largest IP packet that fits everywhere on the way, as far as it was seen. */
  readonly path: number | null;
  /** The device that sets it; `null` where an ICMP error did, or no device was seen. */
  readonly setBy: MtuDeviceRecord | null;
  /** Largest IP packet; of a GSO packet, of one segment of it. */
  readonly largest: number;
  /** What a packet could be larger; negative where the largest did not fit. */
  readonly headroom: number | null;
  /** Of TCP; `null` where no segment was traced. */
  readonly mss: {
    /** In this direction's SYN: what its sender takes. */
    readonly offered: number | null;
    /** Payload of the largest segment that was sent. */
    readonly effective: number | null;
  } | null;
  /** GSO packets, and the segments that they stand for. */
  readonly gsoPackets: string;
  readonly gsoSegments: string;
  /** Fragments dropped because others of their packet did not come. */
  readonly unassembled: string;
}

/** ICMP fragmentation needed or packet too big, about this flow. */
export interface MtuErrorRecord {
  /** Of the packets that it is about. */
  readonly direction: 'original' | 'reply';
  readonly from: string;
  /** `null` where it names none. */
  readonly mtu: number | null;
  readonly count: string;
  /** Of them, what was not seen to be dropped on the way back to the sender. */
  readonly arrived: string;
  /** Why and where one of them was dropped; `null` where none was. */
  readonly dropped: { readonly reason: string; readonly at: MtuDeviceRecord } | null;
  /** Where one came to whose quoted packet is not as the sender sent it; `null` where none was. */
  readonly untranslatedAt: MtuDeviceRecord | null;
  /** Whether the sender sent a smaller packet since; `told` means only that an error has reached it. */
  readonly obeyed: 'smaller-seen' | 'told';
  /** Packets sent since that do not fit either. */
  readonly largerAfter: string;
}

/** Packets that were dropped for their size, at one place. */
export interface MtuRefusalRecord {
  readonly direction: 'original' | 'reply';
  /** The last device that saw them. */
  readonly seenBy: MtuDeviceRecord;
  /** The device that takes no more; `null` where routing refused. */
  readonly refusedBy: MtuDeviceRecord | null;
  readonly reason: string;
  /** Bytes of IP there: in a tunnel with the headers around it. */
  readonly size: number;
  readonly packets: string;
  /** Whether an ICMP error notified the sender. */
  readonly told: boolean;
}

/** TCP segments with DF set that are sent again at the same size and never acknowledged. */
export interface MtuVanishedRecord {
  readonly direction: 'original' | 'reply';
  readonly size: number;
  readonly repeats: number;
  /** Largest packet that is known to have passed; `null` where none is. */
  readonly passed: number | null;
  /** The last device that saw them. */
  readonly seenBy: MtuDeviceRecord | null;
}

/** Tunnel packets whose outer checksum is wrong where they arrive. */
export interface BadChecksumRecord {
  readonly direction: 'original' | 'reply';
  readonly tunnel: EncapsulationType;
  readonly at: MtuDeviceRecord;
  readonly sentBy: MtuDeviceRecord | null;
  readonly packets: string;
}

export interface FlowMtuRecord {
  readonly path: number | null;
  readonly largest: number;
  readonly verdict: MtuVerdict;
}

/** What a flow's packets showed of packet sizes. Bytes are of IP. */
export interface MtuEvidenceRecord {
  readonly ways: {
    readonly original: MtuWayRecord | null;
    readonly reply: MtuWayRecord | null;
  };
  readonly errors: readonly MtuErrorRecord[];
  readonly refusals: readonly MtuRefusalRecord[];
  readonly vanished: readonly MtuVanishedRecord[];
  readonly checksums: readonly BadChecksumRecord[];
}
