import type { DecodedPacket } from './decoded-packet.js';
import { ERROR_TCP_OFFSET, ERROR_TCP_OPTION, ERROR_TRANSPORT_SHORT } from './packet-error.js';

export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_URG = 0x20;
export const TCP_ECE = 0x40;
export const TCP_CWR = 0x80;

const HEADER = 20;
const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;

/*
 * TCP (RFC 9293):
 *
 *    0       1       2       3
 *   +---------------+---------------+
 *   |  source port  |   dest port   |  0
 *   +---------------+---------------+
 *   |        sequence number        |  4
 *   +-------------------------------+
 *   |     acknowledgment number     |  8
 *   +---+---+-------+---------------+
 *   |off|rsv| flags |    window     | 12
 *   +---+---+-------+---------------+
 *   |    checksum   |    urgent     | 16   options to off * 4
 *   +---------------+---------------+
 *
 * Options: end 0, no-op 1, else | kind 8 | length 8 | data |; MSS is kind 2 with
 * 16 bits of data, window scale (RFC 7323) kind 3 with 8, both only on a SYN.
 */

/** Reads a TCP header; a header cut short still gives what is whole of it. */
export function tcpHeader(p: DecodedPacket, view: DataView): void {
  const at = p.cursor;
  if (!p.has(HEADER, ERROR_TRANSPORT_SHORT)) {
    const there = Math.min(p.limit, p.end) - at;
    if (there >= 4) {
      p.sport = view.getUint16(at);
      p.dport = view.getUint16(at + 2);
    }
    if (there >= 8) p.tcpSeq = view.getUint32(at + 4);
    if (there >= 12) p.tcpAck = view.getUint32(at + 8);
    if (there >= 14) p.tcpFlags = view.getUint8(at + 13);
    return;
  }
  const ports = view.getInt32(at);
  p.sport = ports >>> 16;
  p.dport = ports & 0xffff;
  p.tcpSeq = view.getUint32(at + 4);
  p.tcpAck = view.getUint32(at + 8);
  const word3 = view.getInt32(at + 12);
  const flags = (word3 >> 16) & 0xff;
  p.tcpFlags = flags;
  p.tcpWindow = word3 & 0xffff;
  const headerLength = (word3 >>> 28) << 2;
  if (headerLength < HEADER) {
    p.fail(ERROR_TCP_OFFSET);
    return;
  }
  if (at + headerLength > p.end) {
    p.fail(ERROR_TRANSPORT_SHORT);
    return;
  }
  p.payloadLength = p.end - at - headerLength;
  if ((flags & TCP_SYN) !== 0 && headerLength > HEADER) {
    synOptions(p, view, at + HEADER, at + headerLength);
  }
}

function synOptions(p: DecodedPacket, view: DataView, start: number, end: number): void {
  let at = start;
  const limit = p.limit;
  while (at < end) {
    if (at >= limit) {
      p.truncated = true;
      return;
    }
    const kind = view.getUint8(at);
    if (kind === OPTION_END) return;
    if (kind === OPTION_NOP) {
      at++;
      continue;
    }
    if (at + 2 > end) {
      p.fail(ERROR_TCP_OPTION);
      return;
    }
    if (at + 2 > limit) {
      p.truncated = true;
      return;
    }
    const length = view.getUint8(at + 1);
    if (length < 2 || at + length > end) {
      p.fail(ERROR_TCP_OPTION);
      return;
    }
    if (at + length > limit) {
      p.truncated = true;
      return;
    }
    if (kind === OPTION_MSS && length === 4) p.tcpMss = view.getUint16(at + 2);
    else if (kind === OPTION_WINDOW_SCALE && length === 3) p.tcpWindowScale = view.getUint8(at + 2);
    at += length;
  }
}

/** Flags in the letters and order of tcpdump: `S`, `S.`, `P.`, `F.`, `R`, `none`. */
export function tcpFlagsText(flags: number): string {
  let text = '';
  if (flags & TCP_FIN) text += 'F';
  if (flags & TCP_SYN) text += 'S';
  if (flags & TCP_RST) text += 'R';
  if (flags & TCP_PSH) text += 'P';
  if (flags & TCP_ACK) text += '.';
  if (flags & TCP_URG) text += 'U';
  if (flags & TCP_ECE) text += 'E';
  if (flags & TCP_CWR) text += 'W';
  return text === '' ? 'none' : text;
}
