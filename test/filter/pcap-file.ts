/** Link types of pcap files (tcpdump.org/linktypes.html). */
export const LINKTYPE_ETHERNET = 1;
export const LINKTYPE_RAW = 101;

export interface CapturedPacket {
  readonly bytes: Uint8Array;
  /** Full length, at least that of the bytes. */
  readonly wireLength: number;
}

/**
 * A pcap file (draft-ietf-opsawg-pcap), little-endian, microseconds. A packet's time
 * is its index in seconds, so that it is found again in what a tool passes.
 */
export function writePcap(linkType: number, packets: readonly CapturedPacket[]): Uint8Array {
  const size = packets.reduce((sum, { bytes }) => sum + 16 + bytes.length, 24);
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 262144, true);
  view.setUint32(20, linkType, true);
  let at = 24;
  packets.forEach(({ bytes, wireLength }, index) => {
    view.setUint32(at, index, true);
    view.setUint32(at + 8, bytes.length, true);
    view.setUint32(at + 12, wireLength, true);
    file.set(bytes, at + 16);
    at += 16 + bytes.length;
  });
  return file;
}

/** The times, in whole seconds, of the packets in a pcap file of this machine's byte order. */
export function pcapSeconds(file: Uint8Array): number[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const seconds: number[] = [];
  for (let at = 24; at + 16 <= file.length; at += 16 + view.getUint32(at + 8, true)) {
    seconds.push(view.getUint32(at, true));
  }
  return seconds;
}
