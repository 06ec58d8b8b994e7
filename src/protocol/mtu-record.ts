import * as v from 'valibot';
import { encapsulationTypeSchema, mtuVerdictSchema } from './enumerations.js';
import { boolean, decimal, type Infer, number, string } from './scalars.js';

/** A device with the MTU that it has, bytes. */
export const mtuDeviceRecordSchema = v.object({
  netns: string,
  /** `null` where the kernel names none. */
  dev: v.nullable(string),
  mtu: v.nullable(number),
});
export type MtuDeviceRecord = Infer<typeof mtuDeviceRecordSchema>;

/** One direction of a flow: what it sent, and what its way takes. Bytes. */
export const mtuWayRecordSchema = v.object({
  /** Largest IP packet that fits everywhere on the way, as far as it was seen. */
  path: v.nullable(number),
  /** The device that sets it; `null` where an ICMP error did, or no device was seen. */
  setBy: v.nullable(mtuDeviceRecordSchema),
  /** Largest IP packet; of a GSO packet, of one segment of it. */
  largest: number,
  /** What a packet could be larger; negative where the largest did not fit. */
  headroom: v.nullable(number),
  /** Of TCP; `null` where no segment was traced. */
  mss: v.nullable(
    v.object({
      /** In this direction's SYN: what its sender takes. */
      offered: v.nullable(number),
      /** Payload of the largest segment that was sent. */
      effective: v.nullable(number),
    }),
  ),
  /** GSO packets, and the segments that they stand for. */
  gsoPackets: decimal,
  gsoSegments: decimal,
  /** Fragments dropped because others of their packet did not come. */
  unassembled: decimal,
});
export type MtuWayRecord = Infer<typeof mtuWayRecordSchema>;

/** ICMP fragmentation needed or packet too big, about this flow. */
export const mtuErrorRecordSchema = v.object({
  /** Of the packets that it is about. */
  direction: v.picklist(['original', 'reply']),
  from: string,
  /** `null` where it names none. */
  mtu: v.nullable(number),
  count: decimal,
  /** Of them, what was not seen to be dropped on the way back to the sender. */
  arrived: decimal,
  /** Why and where one of them was dropped; `null` where none was. */
  dropped: v.nullable(
    v.object({
      reason: string,
      at: mtuDeviceRecordSchema,
    }),
  ),
  /** Where one came to whose quoted packet is not as the sender sent it; `null` where none was. */
  untranslatedAt: v.nullable(mtuDeviceRecordSchema),
  /** Whether the sender sent a smaller packet since; `told` means only that an error has reached it. */
  obeyed: v.picklist(['smaller-seen', 'told']),
  /** Packets sent since that do not fit either. */
  largerAfter: decimal,
});
export type MtuErrorRecord = Infer<typeof mtuErrorRecordSchema>;

/** Packets that were dropped for their size, at one place. */
export const mtuRefusalRecordSchema = v.object({
  direction: v.picklist(['original', 'reply']),
  /** The last device that saw them. */
  seenBy: mtuDeviceRecordSchema,
  /** The device that takes no more; `null` where routing refused. */
  refusedBy: v.nullable(mtuDeviceRecordSchema),
  reason: string,
  /** Bytes of IP there: in a tunnel with the headers around it. */
  size: number,
  packets: decimal,
  /** Whether an ICMP error notified the sender. */
  told: boolean,
});
export type MtuRefusalRecord = Infer<typeof mtuRefusalRecordSchema>;

/** TCP segments with DF set that are sent again at the same size and never acknowledged. */
export const mtuVanishedRecordSchema = v.object({
  direction: v.picklist(['original', 'reply']),
  size: number,
  repeats: number,
  /** Largest packet that is known to have passed; `null` where none is. */
  passed: v.nullable(number),
  /** The last device that saw them. */
  seenBy: v.nullable(mtuDeviceRecordSchema),
});
export type MtuVanishedRecord = Infer<typeof mtuVanishedRecordSchema>;

/** Tunnel packets whose outer checksum is wrong where they arrive. */
export const badChecksumRecordSchema = v.object({
  direction: v.picklist(['original', 'reply']),
  tunnel: encapsulationTypeSchema,
  at: mtuDeviceRecordSchema,
  sentBy: v.nullable(mtuDeviceRecordSchema),
  packets: decimal,
});
export type BadChecksumRecord = Infer<typeof badChecksumRecordSchema>;

export const flowMtuRecordSchema = v.object({
  path: v.nullable(number),
  largest: number,
  verdict: mtuVerdictSchema,
});
export type FlowMtuRecord = Infer<typeof flowMtuRecordSchema>;

/** What a flow's packets showed of packet sizes. Bytes are of IP. */
export const mtuEvidenceRecordSchema = v.object({
  ways: v.object({
    original: v.nullable(mtuWayRecordSchema),
    reply: v.nullable(mtuWayRecordSchema),
  }),
  errors: v.array(mtuErrorRecordSchema),
  refusals: v.array(mtuRefusalRecordSchema),
  vanished: v.array(mtuVanishedRecordSchema),
  checksums: v.array(badChecksumRecordSchema),
});
export type MtuEvidenceRecord = Infer<typeof mtuEvidenceRecordSchema>;
