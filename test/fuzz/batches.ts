import * as layout from '../../src/wire/layout.gen.js';
import { FRAME_HEADER } from '../../src/wire/record-cursor.js';
import { FIXTURES } from '../packet/fixtures.js';

/** Kernel time of every record, nanoseconds. */
export const TIME = 5_000_000_123n;

/** Length of the whole of a record and what stands in front of it. */
function framed(size: number): number {
  return FRAME_HEADER + ((size + 7) & ~7);
}

function record(type: number, size: number, fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(framed(size));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, size, true);
  const body = new DataView(bytes.buffer, FRAME_HEADER);
  body.setUint16(layout.HEADER_TYPE, type, true);
  body.setUint16(layout.HEADER_SIZE, size, true);
  body.setBigUint64(layout.HEADER_TIME, TIME, true);
  body.setBigUint64(layout.HEADER_SKB, 0xffff_8881_2345_6700n, true);
  fill(body);
  return bytes;
}

/** A hop and the blocks that its flags announce; the nth is of another kind than the one before. */
function hop(packet: Uint8Array, index: number, flags: number): Uint8Array {
  const snap = packet.subarray(0, layout.LENGTH_SNAPSHOT);
  const blocks: Uint8Array[] = [new Uint8Array(layout.SIZEOF_HOP)];
  const view = new DataView((blocks[0] as Uint8Array).buffer);
  view.setUint32(layout.HOP_DELTA, index * 1000, true);
  view.setUint32(layout.HOP_NETNS, 1, true);
  view.setUint32(layout.HOP_IFINDEX, index, true);
  view.setUint32(layout.HOP_LEN, packet.length, true);
  view.setUint32(layout.HOP_FLAGS, flags, true);
  view.setUint8(layout.HOP_STAGE, layout.STAGE_EGRESS + (index % 5));
  view.setUint8(layout.HOP_HOOK, index % 5);
  view.setUint8(layout.HOP_TTL, 64);
  view.setUint8(layout.HOP_CT_INFO, (flags & layout.HOP_CONNTRACK) === 0 ? 0xff : index % 6);
  if ((flags & layout.HOP_LINK) !== 0) blocks.push(new Uint8Array(16).fill(0x66));
  if ((flags & layout.HOP_SNAPSHOT) !== 0) {
    const block = new Uint8Array(layout.SIZEOF_SNAPSHOT + ((snap.length + 7) & ~7));
    const head = new DataView(block.buffer);
    head.setBigUint64(layout.SNAPSHOT_HEAD, 0xffff_8881_0000_0000n + BigInt(index), true);
    head.setUint16(layout.SNAPSHOT_L3_OFFSET, index % 2 === 0 ? 14 : 0, true);
    head.setUint16(layout.SNAPSHOT_LENGTH, snap.length, true);
    head.setUint16(layout.SNAPSHOT_PROTOCOL, 0x0800, true);
    block.set(snap, layout.SIZEOF_SNAPSHOT);
    blocks.push(block);
  }
  if ((flags & layout.HOP_CONNTRACK) !== 0) {
    const size = index % 2 === 0 ? layout.SIZEOF_CONNTRACK4 : layout.SIZEOF_CONNTRACK6;
    const block = new Uint8Array(size).fill(1);
    block[layout.CONNTRACK_L3NUM] = index % 2 === 0 ? 2 : 10;
    blocks.push(block);
  }
  if ((flags & layout.HOP_DROP) !== 0) blocks.push(new Uint8Array(layout.SIZEOF_DROP));
  if ((flags & layout.HOP_DELIVER) !== 0) blocks.push(new Uint8Array(8).fill(1));
  return Buffer.concat(blocks);
}

/** A trail of hops with these flags; the first has a snapshot, as the kernel's have. */
function trail(packet: Uint8Array, index: number, ...flags: readonly number[]): Uint8Array {
  const hops = [layout.HOP_SNAPSHOT, ...flags].map((one, at) => hop(packet, index + at, one));
  const body = Buffer.concat(hops);
  return record(layout.RECORD_TRAIL, layout.SIZEOF_TRAIL + body.length, (view) => {
    view.setUint16(layout.TRAIL_HOPS, hops.length, true);
    view.setUint8(layout.TRAIL_END, index % 4);
    new Uint8Array(view.buffer, view.byteOffset + layout.SIZEOF_TRAIL).set(body);
  });
}

const { HOP_LINK, HOP_SNAPSHOT, HOP_CONNTRACK, HOP_DROP, HOP_DELIVER } = layout;

/** One record of every kind, a trail for every fixture. */
export const RECORDS = [
  ...FIXTURES.map(({ bytes }, index) => trail(bytes, index)),
  ...FIXTURES.slice(0, 8).map(({ bytes }, index) => trail(bytes, index, 0, HOP_LINK, 0)),
  ...FIXTURES.slice(0, 8).map(({ bytes }, index) =>
    trail(bytes, index, HOP_CONNTRACK, HOP_SNAPSHOT | HOP_CONNTRACK, HOP_SNAPSHOT | HOP_DROP),
  ),
  ...FIXTURES.slice(0, 4).map(({ bytes }, index) =>
    trail(bytes, index, HOP_LINK | HOP_CONNTRACK, HOP_DELIVER),
  ),
  record(layout.RECORD_DEVICE, layout.SIZEOF_DEVICE, (view) => {
    view.setUint32(layout.DEVICE_NETNS, 1, true);
    view.setUint32(layout.DEVICE_IFINDEX, 1, true);
    view.setUint32(layout.DEVICE_NAME, 0x30687465, true);
  }),
  record(layout.RECORD_DELIVER, layout.SIZEOF_DELIVER, () => {}),
  record(layout.RECORD_CONNECT, layout.SIZEOF_CONNECT, () => {}),
];
/** Batches of one record and of three. */
export const BATCHES = [
  ...RECORDS,
  ...RECORDS.map((one, index) =>
    Buffer.concat([one, RECORDS[(index * 7 + 3) % RECORDS.length] as Uint8Array, one]),
  ).map((buffer) => new Uint8Array(buffer)),
];
