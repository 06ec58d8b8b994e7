import type { Endpoint, FlowRow } from 'hopscope-protocol';
import { ChannelError } from '../channel/frame.js';
import type { Flow } from '../flow/flow.js';
import type { Names } from '../name/names.js';
import { addressText } from '../packet/address-text.js';
import { ENCAPSULATION_NAMES } from '../packet/encapsulation.js';
import { PROTO_ICMP, PROTO_ICMPV6, protocolName } from '../packet/proto.js';
import { rowVerdict } from './flow-row.js';
import { REMOVED_PER_TICK, ROW_ENCAPSULATIONS, ROWS_PER_TICK } from './limits.js';
import * as layout from './row-layout.js';
import { type NamedBy, rowNames } from './row-names.js';
import { type RowBuffer, writeRow } from './row-writer.js';

/** Where the row of one flow is written and read. */
const ONE_ROW = ((buffer: ArrayBuffer): RowBuffer => ({
  words: new Uint32Array(buffer),
  floats: new Float64Array(buffer),
}))(new ArrayBuffer(layout.ROW_BYTES));

/** Counts and times of the kernel have 64 bits. */
const MOST = 2 ** 64;

/** One row that has come, with the counts its rates are measured by. */
export interface RowUpdate {
  /** Without rates. */
  readonly row: FlowRow;
  /** It fills a table that begins anew; it did not change just now. */
  readonly old: boolean;
  /** When the flow began, nanoseconds since the source's epoch. */
  readonly startNs: number;
  readonly by: NamedBy;
  /** Original, reply. */
  readonly packets: readonly [number, number];
  readonly bytes: readonly [number, number];
}

export interface RowBatch {
  readonly updates: readonly RowUpdate[];
  /** Ids of flows that left the table. */
  readonly removed: readonly string[];
  /** Flows in the collector's table, and how many of them have ended. */
  readonly total: number;
  readonly ended: number;
  readonly behind: number;
  readonly reset: boolean;
  /** The collector's monotonic milliseconds. */
  readonly timeMs: number;
  /** Time of the newest packet, nanoseconds since the source's epoch. */
  readonly newestNs: number;
}

/**
 * Reads a batch. `payload` begins at a multiple of 8 bytes of its memory.
 *
 * @throws ChannelError `bad-batch` when its length is not what its header says, or a number
 *   is none that a row can have
 */
export function readBatch(payload: Uint8Array, names: Names, epochNs: bigint): RowBatch {
  const { buffer, byteOffset, byteLength } = payload;
  if (byteLength < layout.BATCH_BYTES) throw badBatch(byteLength);
  const words = new Uint32Array(buffer, byteOffset, byteLength >> 2);
  const floats = new Float64Array(buffer, byteOffset, byteLength >> 3);
  const rows = words[layout.BATCH_ROWS] as number;
  const removals = words[layout.BATCH_REMOVED] as number;
  const wanted = layout.BATCH_BYTES + rows * layout.ROW_BYTES + removals * 8;
  if (rows > ROWS_PER_TICK || removals > REMOVED_PER_TICK || byteLength !== wanted) {
    throw badBatch(byteLength);
  }
  const reader = new RowReader({ words, floats }, names, epochNs);
  const updates: RowUpdate[] = [];
  let word = layout.BATCH_WORDS;
  for (let i = 0; i < rows; i++, word += layout.ROW_WORDS) updates.push(reader.read(word));
  const removed: string[] = [];
  for (let i = 0; i < removals; i++, word += 2) removed.push(idText(words, word));
  return {
    updates,
    removed,
    total: words[layout.BATCH_TOTAL] as number,
    ended: words[layout.BATCH_ENDED] as number,
    behind: words[layout.BATCH_BEHIND] as number,
    reset: words[layout.BATCH_RESET] === 1,
    timeMs: finite(floats[layout.BATCH_TIME] as number),
    newestNs: finite(floats[layout.BATCH_NEWEST] as number),
  };
}

function badBatch(bytes: number): ChannelError {
  return new ChannelError('bad-batch', `a batch of ${bytes} bytes is not as its header says`);
}

function badNumber(value: number): ChannelError {
  return new ChannelError('bad-batch', `a batch with ${value} where no such number can be`);
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw badNumber(value);
  return value;
}

function idText(words: Uint32Array, word: number): string {
  return hex(words[word] as number) + hex(words[word + 1] as number);
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}

/** The row of one flow, without rates. */
export function rowOfFlow(flow: Flow, names: Names, epochNs: bigint): FlowRow {
  writeRow(flow, ONE_ROW, 0, false);
  return new RowReader(ONE_ROW, names, epochNs).read(0).row;
}

/** Makes rows for the table of what row-writer.ts wrote; says what export/flow-record.ts says. */
class RowReader {
  readonly #words: Uint32Array;
  readonly #floats: Float64Array;
  readonly #names: Names;
  readonly #epochNs: bigint;

  constructor(from: RowBuffer, names: Names, epochNs: bigint) {
    this.#words = from.words;
    this.#floats = from.floats;
    this.#names = names;
    this.#epochNs = epochNs;
  }

  read(word: number): RowUpdate {
    const names = this.#names;
    const flags = this.#word(word + layout.ROW_FLAGS);
    const protocol = this.#word(word + layout.ROW_PROTOCOL) >>> 16;
    const src = this.#endpoint(word, layout.ROW_SRC, layout.ROW_SPORT);
    const dst = this.#endpoint(word, layout.ROW_DST, layout.ROW_DPORT);
    const answered = (flags & layout.FLAG_ANSWERED) !== 0;
    const dnat = answered ? this.#translated(word, layout.ROW_REPLY_SRC, layout.ROW_DST, 0) : null;
    const snat = answered ? this.#translated(word, layout.ROW_REPLY_DST, layout.ROW_SRC, 1) : null;
    const float = word >> 1;
    const startNs = this.#time(float + layout.ROW_START);
    const by: NamedBy = {
      began: (Number(this.#epochNs) + startNs) / 1e6,
      netns: [
        this.#netns(word + layout.ROW_FIRST_NETNS),
        this.#netns(word + layout.ROW_LAST_NETNS),
      ],
    };
    const proto = protocolName(protocol);
    const packets = this.#pair(float + layout.ROW_PACKETS);
    const bytes = this.#pair(float + layout.ROW_BYTE_COUNTS);
    const drops = this.#count(float + layout.ROW_DROPS);
    const reason = (flags & layout.FLAG_REASON) !== 0 ? this.#word(word + layout.ROW_REASON) : null;
    const verdict = layout.VERDICTS[(flags >> layout.VERDICT_SHIFT) & layout.CODE_MASK];
    const row: FlowRow = {
      id: idText(this.#words, word + layout.ROW_ID),
      state: layout.STATES[(flags >> layout.STATE_SHIFT) & layout.CODE_MASK] ?? 'new',
      ...((flags & layout.FLAG_ENDED) === 0 ? {} : { ended: true as const }),
      start: this.#wallClock(startNs),
      last: this.#wallClock(this.#time(float + layout.ROW_LAST)),
      proto,
      src,
      dst,
      ...rowNames({ proto, src, dst, dnat }, by, names),
      answered,
      dnat,
      snat,
      verdict: rowVerdict(verdict ?? 'unknown', drops > 0),
      dropReason: reason === null ? null : names.reason(reason),
      drops: String(drops),
      encapsulation: this.#kinds(word + layout.ROW_KINDS),
      mtu: layout.MTU_VERDICTS[(flags >> layout.MTU_SHIFT) & layout.CODE_MASK] ?? 'unknown',
      packets: String(packets[0] + packets[1]),
      bytes: String(bytes[0] + bytes[1]),
      packetsPerSecond: null,
      bytesPerSecond: null,
      p50: this.#measured(float + layout.ROW_P50),
      p99: this.#measured(float + layout.ROW_P99),
    };
    return { row, old: (flags & layout.FLAG_OLD) !== 0, startNs, by, packets, bytes };
  }

  #word(at: number): number {
    return this.#words[at] as number;
  }

  #float(at: number): number {
    return this.#floats[at] as number;
  }

  #count(at: number): number {
    const value = this.#float(at);
    if (!Number.isInteger(value) || value < 0) throw badNumber(value);
    return Math.min(value, MOST);
  }

  #time(at: number): number {
    const value = this.#float(at);
    if (!(Math.abs(value) <= MOST)) throw badNumber(value);
    return value;
  }

  #pair(at: number): readonly [number, number] {
    return [this.#count(at), this.#count(at + 1)];
  }

  #measured(at: number): number | null {
    const value = this.#float(at);
    return Number.isNaN(value) ? null : value;
  }

  #netns(at: number): number | null {
    const netns = this.#word(at);
    return netns === 0 ? null : netns;
  }

  /** -1 where the protocol has none. */
  #port(at: number): number {
    return this.#word(at) | 0;
  }

  #endpoint(word: number, address: number, port: number): Endpoint {
    const family = this.#word(word + layout.ROW_PROTOCOL) & 0xffff;
    const at = word + address;
    return {
      address: addressText(
        family,
        this.#word(at),
        this.#word(at + 1),
        this.#word(at + 2),
        this.#word(at + 3),
      ),
      port: this.#shownPort(word, port),
    };
  }

  /** ICMP's identifier stands where ports do, and is none. */
  #shownPort(word: number, port: number): number | null {
    const protocol = this.#word(word + layout.ROW_PROTOCOL) >>> 16;
    if (protocol === PROTO_ICMP || protocol === PROTO_ICMPV6) return null;
    const number = this.#port(word + port);
    return number >= 0 && this.#port(word + layout.ROW_SPORT) >= 0 ? number : null;
  }

  /** Where the answer comes from, or goes to, when that is not what was asked; else null. */
  #translated(word: number, answer: number, asked: number, side: 0 | 1): Endpoint | null {
    const ports = side === 0 ? layout.ROW_REPLY_SPORT : layout.ROW_REPLY_DPORT;
    const askedPort = side === 0 ? layout.ROW_DPORT : layout.ROW_SPORT;
    const samePort = this.#word(word + ports) === this.#word(word + askedPort);
    let same = samePort;
    for (let i = 0; i < 4; i++) {
      same &&= this.#word(word + answer + i) === this.#word(word + asked + i);
    }
    if (same) return null;
    const { address } = this.#endpoint(word, answer, ports);
    const protocol = this.#word(word + layout.ROW_PROTOCOL) >>> 16;
    const isIcmp = protocol === PROTO_ICMP || protocol === PROTO_ICMPV6;
    const port = this.#port(word + ports);
    return { address, port: port >= 0 && !isIcmp ? port : null };
  }

  #kinds(word: number): FlowRow['encapsulation'] {
    const kinds = [];
    for (let i = 0; i < ROW_ENCAPSULATIONS; i++) {
      const kind = this.#word(word + i);
      if (kind === 0) break;
      const type = ENCAPSULATION_NAMES.get((kind >>> 16) - 1);
      if (type === undefined) throw badNumber(kind);
      kinds.push({ type, overhead: kind & 0xffff });
    }
    return kinds;
  }

  #wallClock(ns: number): string {
    return String(this.#names.wallClock(this.#epochNs + BigInt(Math.round(ns))));
  }
}
