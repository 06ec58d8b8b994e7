/**
 * Messages and attributes of netlink(7), as include/uapi/linux/netlink.h lays them out, in the
 * byte order of the machine.
 */
import { HopscopeError } from '../model/errors.js';

/** What the kernel should not have said; what was decoded before it stands. */
export class NetlinkError extends HopscopeError {}

/** struct nfgenmsg of nfnetlink: family, version, a number in network byte order. */
export const NFGENMSG = 4;
const HEADER = 16;
const ATTRIBUTE_HEADER = 4;
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const TYPE_MASK = 0x3fff;
/** Attributes of one message or nest; the longest known, IFLA, has some seventy. */
export const ATTRIBUTE_LIMIT = 4_096;

export interface NetlinkMessage {
  readonly type: number;
  readonly body: DataView;
}

/** Attributes by type; of those that are repeated the last one. */
export type Attributes = ReadonlyMap<number, DataView>;

/** @throws NetlinkError `NETLINK_MALFORMED` */
export function* messagesOf(data: Uint8Array): Generator<NetlinkMessage> {
  const view = viewOf(data);
  let at = 0;
  while (at < view.byteLength) {
    if (view.byteLength - at < HEADER) throw malformed('a message is shorter than its header');
    const length = view.getUint32(at, true);
    if (length < HEADER || length > view.byteLength - at) {
      throw malformed(`a message of ${length} bytes`);
    }
    yield {
      type: view.getUint16(at + 4, true),
      body: part(view, at + HEADER, length - HEADER),
    };
    at += align(length);
  }
}

/**
 * Each attribute in turn.
 *
 * @param from where they begin, after a header of the message's own
 * @throws NetlinkError `NETLINK_MALFORMED`
 */
export function* eachAttribute(
  view: DataView,
  from = 0,
): Generator<readonly [type: number, value: DataView]> {
  let at = align(from);
  let count = 0;
  while (view.byteLength - at >= ATTRIBUTE_HEADER) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER || length > view.byteLength - at) {
      throw malformed(`an attribute of ${length} bytes`);
    }
    if (count >= ATTRIBUTE_LIMIT) throw malformed(`more than ${ATTRIBUTE_LIMIT} attributes`);
    count += 1;
    yield [
      view.getUint16(at + 2, true) & TYPE_MASK,
      part(view, at + ATTRIBUTE_HEADER, length - ATTRIBUTE_HEADER),
    ];
    at += align(length);
  }
}

/** @throws NetlinkError `NETLINK_MALFORMED` */
export function attributesOf(view: DataView, from = 0): Attributes {
  return new Map(eachAttribute(view, from));
}

/** Those of a nested attribute; none where it is not there. */
export function nested(attributes: Attributes, type: number): Attributes {
  const value = attributes.get(type);
  return value === undefined ? new Map() : attributesOf(value);
}

export function u8(attributes: Attributes, type: number): number | null {
  const value = attributes.get(type);
  return value === undefined || value.byteLength < 1 ? null : value.getUint8(0);
}

export function u16(attributes: Attributes, type: number): number | null {
  const value = attributes.get(type);
  return value === undefined || value.byteLength < 2 ? null : value.getUint16(0, true);
}

export function u32(attributes: Attributes, type: number): number | null {
  const value = attributes.get(type);
  return value === undefined || value.byteLength < 4 ? null : value.getUint32(0, true);
}

export function s32(attributes: Attributes, type: number): number | null {
  const value = attributes.get(type);
  return value === undefined || value.byteLength < 4 ? null : value.getInt32(0, true);
}

/** In network byte order. */
export function be16(attributes: Attributes, type: number): number | null {
  const value = attributes.get(type);
  return value === undefined || value.byteLength < 2 ? null : value.getUint16(0);
}

/** In network byte order. */
export function be32(attributes: Attributes, type: number): number | null {
  const value = attributes.get(type);
  return value === undefined || value.byteLength < 4 ? null : value.getUint32(0);
}

/** Up to its NUL; what is not UTF-8 becomes U+FFFD. */
export function text(attributes: Attributes, type: number): string | null {
  const value = attributes.get(type);
  if (value === undefined) return null;
  const bytes = bytesOf(value);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

export function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

export function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

/** @throws NetlinkError `NETLINK_MALFORMED` where the message's own header is cut */
export function requireBytes(view: DataView, bytes: number): void {
  if (view.byteLength < bytes) throw malformed(`a header of ${view.byteLength} bytes`);
}

function part(view: DataView, at: number, length: number): DataView {
  return new DataView(view.buffer, view.byteOffset + at, length);
}

function align(length: number): number {
  return (length + 3) & ~3;
}

function malformed(what: string): NetlinkError {
  return new NetlinkError('NETLINK_MALFORMED', `the kernel's answer has ${what}`);
}
