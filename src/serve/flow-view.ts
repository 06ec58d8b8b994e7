import type { FlowFeed } from '../model/feed.js';
import type { FlowRecord } from '../model/records.js';
import { type DirectionRates, flowRow } from './flow-row.js';
import { TOMBSTONE_LIMIT } from './limits.js';
import { type FilterTerm, type FlowRow, matchesFilter, type Rate, ROW_WINDOW } from './protocol.js';

interface Entry {
  row: FlowRow;
  json: string;
  /** Position in the order of changes; each change takes the next number. */
  sequence: number;
  flow: FlowRecord;
  rates: DirectionRates | null;
}

export interface ViewDelta {
  readonly cursor: number;
  readonly reset: boolean;
  /** Each row as JSON, made once for all clients. */
  readonly rows: readonly string[];
  readonly removed: readonly string[];
  readonly behind: number;
}

const SILENT: Rate = { packetsPerSecond: 0, bytesPerSecond: 0 };

/**
 * The table's rows, made from the feed once a tick for all clients. A client keeps
 * nothing here but a cursor, so one that misses ticks costs nothing and gets the
 * newest state of each row it missed. The number of rows is bounded by the feed's
 * own flow table, that of remembered removals by TOMBSTONE_LIMIT.
 */
export class FlowView {
  readonly #feed: FlowFeed;
  /** In the order of changes: a changed row moves to the end. */
  readonly #entries = new Map<string, Entry>();
  #removals: { readonly id: string; readonly sequence: number }[] = [];
  /** Changes up to here may have lost their removals. */
  #forgotten = 0;
  #feedCursor = 0;
  #sequence = 0;
  #lastTickMs: number | null = null;
  #newest = 0n;

  constructor(feed: FlowFeed) {
    this.#feed = feed;
  }

  get total(): number {
    return this.#entries.size;
  }

  /** Time of the newest packet seen, wall-clock nanoseconds. */
  get newest(): bigint {
    return this.#newest;
  }

  rates(id: string): DirectionRates | null {
    return this.#entries.get(id)?.rates ?? null;
  }

  /** Forgets all; for when nobody has watched and rates would span the pause. */
  clear(): void {
    this.#entries.clear();
    this.#removals = [];
    this.#feedCursor = 0;
    this.#lastTickMs = null;
    this.#forgotten = this.#sequence;
  }

  /** Takes in what changed. `nowMs` is monotonic and only used for rates. */
  tick(nowMs: number): void {
    const changes = this.#feed.changedSince(this.#feedCursor);
    this.#feedCursor = changes.cursor;
    const seconds = this.#lastTickMs === null ? null : (nowMs - this.#lastTickMs) / 1000;
    this.#lastTickMs = nowMs;

    const changed = new Set<string>();
    for (const flow of changes.flows) {
      changed.add(flow.id);
      const before = this.#entries.get(flow.id)?.flow ?? null;
      // A flow first met at a later tick has sent all its packets since the last one.
      const rates =
        seconds === null || seconds <= 0
          ? null
          : {
              original: rateOf(flow, before, 'original', seconds),
              reply: rateOf(flow, before, 'reply', seconds),
            };
      this.#put(flow, rates);
    }
    for (const id of changes.removed) this.#remove(id);
    // The feed remembers only so many removals; whoever asks too late is not told.
    if (this.#entries.size > this.#feed.quality().flows) {
      for (const id of [...this.#entries.keys()])
        if (this.#feed.flow(id) === null) this.#remove(id);
    }
    if (seconds !== null) this.#silence(changed);
  }

  /**
   * Rows changed since `cursor` that match, oldest change first, at most `limit`.
   * A cursor of 0, or one older than the remembered removals, starts anew, with
   * the ROW_WINDOW rows that changed last.
   */
  since(cursor: number, terms: readonly FilterTerm[], limit: number): ViewDelta {
    const reset = cursor === 0 || cursor < this.#forgotten;
    const from = reset ? this.#windowStart(terms) : cursor;
    const rows: string[] = [];
    const unmatched: string[] = [];
    let reached = from;
    let behind = 0;
    for (const [id, entry] of this.#entries) {
      if (entry.sequence <= from) continue;
      if (terms.length > 0 && !matchesFilter(entry.row, terms)) {
        // It may have matched before it changed.
        if (behind === 0 && !reset) unmatched.push(id);
        continue;
      }
      if (rows.length === limit) {
        behind += 1;
        continue;
      }
      rows.push(entry.json);
      reached = entry.sequence;
    }
    if (behind === 0) reached = this.#sequence;
    const removed = reset
      ? []
      : this.#removals
          .filter(({ sequence }) => sequence > from && sequence <= reached)
          .map(({ id }) => id);
    return {
      // 0 means "from the start", which an empty table has served as well.
      cursor: Math.max(reached, 1),
      reset,
      rows,
      removed: [...removed, ...unmatched],
      behind,
    };
  }

  /** The sequence after which ROW_WINDOW matching rows remain. */
  #windowStart(terms: readonly FilterTerm[]): number {
    const matching: number[] = [];
    for (const { row, sequence } of this.#entries.values()) {
      if (terms.length === 0 || matchesFilter(row, terms)) matching.push(sequence);
    }
    return matching.at(-ROW_WINDOW - 1) ?? 0;
  }

  #put(flow: FlowRecord, rates: DirectionRates | null): void {
    const row = flowRow(flow, rates);
    this.#entries.delete(flow.id);
    this.#sequence += 1;
    this.#entries.set(flow.id, {
      row,
      json: JSON.stringify(row),
      sequence: this.#sequence,
      flow,
      rates,
    });
    const last = BigInt(flow.last);
    if (last > this.#newest) this.#newest = last;
  }

  #remove(id: string): void {
    if (!this.#entries.delete(id)) return;
    this.#sequence += 1;
    this.#removals.push({ id, sequence: this.#sequence });
    if (this.#removals.length > TOMBSTONE_LIMIT) {
      const surplus = this.#removals.splice(0, TOMBSTONE_LIMIT / 2);
      this.#forgotten = surplus.at(-1)?.sequence ?? this.#forgotten;
    }
  }

  /** A flow that did not change sent nothing: its rates fall to zero once. */
  #silence(changed: ReadonlySet<string>): void {
    const stopped: Entry[] = [];
    for (const [id, entry] of this.#entries) {
      if (!changed.has(id) && (entry.rates === null || !isSilent(entry.rates))) stopped.push(entry);
    }
    for (const { flow } of stopped) this.#put(flow, { original: SILENT, reply: SILENT });
  }
}

function isSilent(rates: DirectionRates): boolean {
  return rates.original.packetsPerSecond === 0 && rates.reply.packetsPerSecond === 0;
}

function rateOf(
  flow: FlowRecord,
  before: FlowRecord | null,
  direction: 'original' | 'reply',
  seconds: number,
): Rate {
  const packets = Number(
    BigInt(flow.packets[direction]) - BigInt(before?.packets[direction] ?? '0'),
  );
  const bytes = Number(BigInt(flow.bytes[direction]) - BigInt(before?.bytes[direction] ?? '0'));
  // Counts only fall when the flow was forgotten and met again.
  if (packets < 0 || bytes < 0) return { packetsPerSecond: null, bytesPerSecond: null };
  return { packetsPerSecond: packets / seconds, bytesPerSecond: bytes / seconds };
}
