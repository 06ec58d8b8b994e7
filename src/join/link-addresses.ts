import type { DecodedPacket } from '../packet/decoded-packet.js';
import type { Device } from './device-table.js';
import type { LinkAddresses } from './hop.js';

/**
 * The MACs of a frame: those of the packet's hop before, or of the device's frame
 * before, where they are the same. Most are, so most hops share one object.
 */
export function linkAddressesOf(
  p: DecodedPacket,
  last: LinkAddresses | null,
  device: Device,
): LinkAddresses {
  if (last !== null && isOf(last, p)) {
    return last;
  }
  if (device.link !== null && isOf(device.link, p)) {
    return device.link;
  }
  device.link = {
    srcHi: p.macSrcHi,
    srcLo: p.macSrcLo,
    dstHi: p.macDstHi,
    dstLo: p.macDstLo,
  };
  return device.link;
}

function isOf(link: LinkAddresses, p: DecodedPacket): boolean {
  return (
    link.srcLo === p.macSrcLo &&
    link.dstLo === p.macDstLo &&
    link.srcHi === p.macSrcHi &&
    link.dstHi === p.macDstHi
  );
}
