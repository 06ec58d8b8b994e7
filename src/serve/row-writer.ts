import { mtuVerdict } from '../check/mtu-verdict.js';
import { ORIGINAL, REPLY } from '../flow/direction-index.js';
import type { Flow } from '../flow/flow.js';
import type { Histogram } from '../flow/histogram.js';
import { mtuSeen } from '../flow/mtu-seen.js';
import type { Tuple } from '../join/tuple.js';
import { ROW_ENCAPSULATIONS } from './limits.js';
import * as row from './row-layout.js';

/** Both views of one buffer; a row begins at a multiple of 8 bytes. */
export interface RowBuffer {
  readonly words: Uint32Array;
  readonly floats: Float64Array;
}

/** Writes a flow's row at `word`, an index into `to.words`; see row-layout.ts. */
export function writeRow(flow: Flow, to: RowBuffer, word: number, old: boolean): void {
  const { words, floats } = to;
  const { original, reply } = flow;
  writeId(flow.id, words, word + row.ROW_ID);
  words[word + row.ROW_PROTOCOL] = original.family | (original.protocol << 16);
  writeTuple(original, words, word + row.ROW_SRC, word + row.ROW_SPORT);
  if (reply !== null)
    writeTuple(reply, words, word + row.ROW_REPLY_SRC, word + row.ROW_REPLY_SPORT);
  words[word + row.ROW_FIRST_NETNS] = flow.firstDevice(ORIGINAL)?.netns ?? 0;
  words[word + row.ROW_LAST_NETNS] = flow.lastDevice(ORIGINAL)?.netns ?? 0;
  const reason = mostFrequent(flow.reasons);
  words[word + row.ROW_REASON] = reason ?? 0;
  writeKinds(flow, words, word + row.ROW_KINDS);
  words[word + row.ROW_FLAGS] =
    (reply === null ? 0 : row.FLAG_ANSWERED) |
    (reason === null ? 0 : row.FLAG_REASON) |
    (old ? row.FLAG_OLD : 0) |
    (flow.hasEnded ? row.FLAG_ENDED : 0) |
    (row.STATES.indexOf(flow.state) << row.STATE_SHIFT) |
    (row.VERDICTS.indexOf(flow.lastVerdict) << row.VERDICT_SHIFT) |
    (row.MTU_VERDICTS.indexOf(mtuVerdict(mtuSeen(flow))) << row.MTU_SHIFT);
  const float = word >> 1;
  floats[float + row.ROW_START] = flow.start;
  floats[float + row.ROW_LAST] = flow.last;
  floats[float + row.ROW_PACKETS] = flow.packets(ORIGINAL);
  floats[float + row.ROW_PACKETS + 1] = flow.packets(REPLY);
  floats[float + row.ROW_BYTE_COUNTS] = flow.bytes(ORIGINAL);
  floats[float + row.ROW_BYTE_COUNTS + 1] = flow.bytes(REPLY);
  floats[float + row.ROW_DROPS] = flow.drops(ORIGINAL) + flow.drops(REPLY) - flow.duplicates;
  const latency = latencyOf(flow);
  floats[float + row.ROW_P50] = latency === null ? Number.NaN : latency.quantile(0.5);
  floats[float + row.ROW_P99] = latency === null ? Number.NaN : latency.quantile(0.99);
}

/** Writes an id of 16 hex digits as two words. */
export function writeId(id: string, words: Uint32Array, word: number): void {
  words[word] = hexWord(id, 0);
  words[word + 1] = hexWord(id, 8);
}

function hexWord(id: string, from: number): number {
  let value = 0;
  for (let i = from; i < from + 8; i++) {
    const code = id.charCodeAt(i);
    value = (value << 4) | (code <= 57 ? code - 48 : code - 87);
  }
  return value;
}

function writeTuple(tuple: Tuple, words: Uint32Array, word: number, ports: number): void {
  words[word] = tuple.src0;
  words[word + 1] = tuple.src1;
  words[word + 2] = tuple.src2;
  words[word + 3] = tuple.src3;
  words[word + 4] = tuple.dst0;
  words[word + 5] = tuple.dst1;
  words[word + 6] = tuple.dst2;
  words[word + 7] = tuple.dst3;
  // -1 where the protocol has none, read back as a signed word.
  words[ports] = tuple.sport;
  words[ports + 1] = tuple.dport;
}

function writeKinds(flow: Flow, words: Uint32Array, word: number): void {
  let used = 0;
  for (const { type, overhead } of flow.encapsulations) {
    const kind = ((type + 1) << 16) | (overhead & 0xffff);
    let known = false;
    for (let i = 0; i < used; i++) known ||= words[word + i] === kind;
    if (!known && used < ROW_ENCAPSULATIONS) words[word + used++] = kind;
  }
  words.fill(0, word + used, word + ROW_ENCAPSULATIONS);
}

function mostFrequent(reasons: ReadonlyMap<number, number> | null): number | null {
  if (reasons === null || reasons.size === 0) return null;
  let found: number | null = null;
  let most = 0;
  for (const [reason, count] of reasons) {
    if (count > most) {
      most = count;
      found = reason;
    }
  }
  return found;
}

function latencyOf(flow: Flow): Histogram | null {
  const latency = flow.latency(ORIGINAL);
  return latency === null || latency.count === 0 ? null : latency;
}
