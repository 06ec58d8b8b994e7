import type { DecodedPacket } from '../packet/decoded-packet.js';
import type { Device } from './device-table.js';

/** Link-layer addresses, each as its upper and lower 24 bits. */
export interface LinkAddresses {
  readonly srcHi: number;
  readonly srcLo: number;
  readonly dstHi: number;
  readonly dstLo: number;
}

/**
 * The MACs of a frame: those of the packet's hop before, or of the device's frame
 * before, where they are the same. Most are, so most hops share one object.
 */
export function linkAddressesOf(
  p: DecodedPacket,
  last: LinkAddresses | null,
  device: Device,
): LinkAddresses {
  return shared(p.macSrcHi, p.macSrcLo, p.macDstHi, p.macDstLo, last, device);
}

/** The MACs of a link header alone, at an offset: destination first (IEEE 802.3). */
export function linkAddressesAt(
  view: DataView,
  at: number,
  last: LinkAddresses | null,
  device: Device,
): LinkAddresses {
  const half = (offset: number): number =>
    (view.getUint8(offset) << 16) | view.getUint16(offset + 1, false);
  return shared(half(at + 6), half(at + 9), half(at), half(at + 3), last, device);
}

function shared(
  srcHi: number,
  srcLo: number,
  dstHi: number,
  dstLo: number,
  last: LinkAddresses | null,
  device: Device,
): LinkAddresses {
  for (const known of [last, device.link]) {
    if (
      known !== null &&
      known.srcLo === srcLo &&
      known.dstLo === dstLo &&
      known.srcHi === srcHi &&
      known.dstHi === dstHi
    ) {
      return known;
    }
  }
  device.link = { srcHi, srcLo, dstHi, dstLo };
  return device.link;
}
