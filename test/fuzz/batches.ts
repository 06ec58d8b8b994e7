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

function hop(type: number, size: number, packet: Uint8Array, index: number): Uint8Array {
  return record(type, size, (body) => {
    const snap = packet.subarray(0, layout.SNAP_LENGTH);
    body.setUint16(layout.HOP_SNAP_LEN, snap.length, true);
    body.setUint32(layout.HOP_LEN, packet.length, true);
    body.setUint32(layout.HOP_IFINDEX, index, true);
    body.setUint16(layout.HOP_L3_OFFSET, index % 2 === 0 ? 14 : 0, true);
    body.setUint16(layout.HOP_PROTOCOL, 0x0800, true);
    body.setUint8(layout.HOP_STAGE, layout.STAGE_EGRESS + (index % 5));
    body.setUint8(layout.HOP_CT_INFO, type === layout.RECORD_HOP_CT ? index % 6 : 0xff);
    new Uint8Array(body.buffer, body.byteOffset + layout.HOP_SNAP).set(snap);
  });
}

/** One record of every kind, a hop for every fixture. */
export const RECORDS = [
  ...FIXTURES.map(({ bytes }, index) => hop(layout.RECORD_HOP, layout.SIZEOF_HOP, bytes, index)),
  ...FIXTURES.slice(0, 8).map(({ bytes }, index) =>
    hop(layout.RECORD_HOP_CT, layout.SIZEOF_HOP_CT, bytes, index),
  ),
  record(layout.RECORD_FREE, layout.SIZEOF_FREE, () => {}),
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
