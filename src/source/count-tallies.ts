import type { BpfMap } from 'ebpf-ts';
import * as layout from '../wire/count-layout.gen.js';

/** What the counter did since it began: packets unless said. */
export interface CountTallies {
  /** Counted in an entry, and their bytes. */
  readonly packets: number;
  readonly bytes: number;
  /** Of flows for which the table had no room. */
  readonly uncounted: number;
  readonly uncountedBytes: number;
  /** Neither IPv4 nor IPv6. */
  readonly other: number;
  /** Too short for their headers. */
  readonly malformed: number;
  /** Of tunnels, on uplinks. */
  readonly encapsulated: number;
  /** Fragments whose first was not seen, counted without ports. */
  readonly lostFragments: number;
  /** Whose conntrack entry was left for a later packet. */
  readonly conntrackBusy: number;
  /** Entries made. */
  readonly begun: number;
  /** TCP segments with RST, and repeated ones. */
  readonly trouble: number;
}

/** The sums over all CPUs. */
export function readTallies(map: BpfMap): CountTallies {
  const values = map.get(new Uint8Array(4));
  const words = new BigUint64Array(values?.buffer ?? new ArrayBuffer(0));
  const sum = (tally: number): number => {
    let total = 0n;
    for (let at = tally; at < words.length; at += layout.TALLY_MAX) {
      total += words[at] ?? 0n;
    }
    return Number(total);
  };
  return {
    packets: sum(layout.TALLY_PACKETS),
    bytes: sum(layout.TALLY_BYTES),
    uncounted: sum(layout.TALLY_UNCOUNTED),
    uncountedBytes: sum(layout.TALLY_UNCOUNTED_BYTES),
    other: sum(layout.TALLY_OTHER),
    malformed: sum(layout.TALLY_MALFORMED),
    encapsulated: sum(layout.TALLY_ENCAPSULATED),
    lostFragments: sum(layout.TALLY_LOST_FRAGMENT),
    conntrackBusy: sum(layout.TALLY_CT_BUSY),
    begun: sum(layout.TALLY_BEGUN),
    trouble: sum(layout.TALLY_TROUBLE),
  };
}

/**
 * What was done since an earlier process left the counter. What it could not count stays: the
 * counts that were taken over lack it.
 */
export function talliesSince(before: CountTallies, all: CountTallies): CountTallies {
  return {
    ...all,
    packets: all.packets - before.packets,
    bytes: all.bytes - before.bytes,
    begun: all.begun - before.begun,
    trouble: all.trouble - before.trouble,
  };
}
