import { isDeepStrictEqual } from 'node:util';
import { type FlowRow, SLOW_TICK_MS } from 'hopscope-protocol';
import type { Names } from '../name/names.js';
import { type DirectionRates, withRates } from './flow-row.js';
import { ROW_TABLE_LIMIT } from './limits.js';
import { type ChangedNames, type NamedBy, rowNames } from './row-names.js';
import type { RowBatch, RowUpdate } from './row-reader.js';

/** Rates over less than this say little, milliseconds. */
const RATE_LEAST_MS = SLOW_TICK_MS / 2;
const NONE = -1;

/** Notified of what happens to rows, by their slots. */
export interface RowListener {
  /** `old`: it fills the table, and did not change just now. */
  changed(slot: number, old: boolean): void;
  /** The slot is free, and may be another flow's next. */
  removed(slot: number, id: string): void;
  /** All slots are free. */
  cleared(): void;
}

interface Slot {
  row: FlowRow;
  by: NamedBy;
  /** Made when somebody wants it, once for all clients. */
  json: string | null;
  rates: DirectionRates | null;
  packets: readonly [number, number];
  bytes: readonly [number, number];
  /** When the counts came, and the counts that the rates are measured from; milliseconds. */
  countedAt: number;
  basePackets: readonly [number, number];
  baseBytes: readonly [number, number];
  baseAt: number;
  /** Whether it came to fill the table, and has not changed since. */
  old: boolean;
}

/**
 * The rows of flows as the server process has them, those that changed last, at most a
 * named number: one past it, the one that is longest unchanged goes, and to clients that
 * is as if its flow had gone. A row has a slot, by which clients note what they have to
 * be sent.
 */
export class RowTable {
  /** Flows in the collector's table, and how many of them have ended. */
  total = 0;
  ended = 0;
  /** Changed flows that the collector has not sent yet. */
  behind = 0;
  /** Time of the newest packet, nanoseconds since the source's epoch. */
  newestNs = 0;
  /** Rows that gave way to others because the table was full. */
  evicted = 0;
  readonly #limit: number;
  readonly #slots: (Slot | null)[] = [];
  readonly #free: number[] = [];
  readonly #byId = new Map<string, number>();
  /** Neighbours of a slot in the order of change. */
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #oldest = NONE;
  #newest = NONE;
  readonly #active = new Set<number>();
  /** Slots of flows that have ended, in the order in which they did. */
  readonly #endedSlots = new Set<number>();
  readonly #listeners = new Set<RowListener>();
  #timeMs: number | null = null;
  /** Flows begun after this were met from their first packet on. */
  #metFromNs = 0;
  #recency: Uint32Array | null = null;

  constructor(limit = ROW_TABLE_LIMIT) {
    this.#limit = limit;
    this.#older = new Int32Array(limit);
    this.#newer = new Int32Array(limit);
  }

  get size(): number {
    return this.#byId.size;
  }

  get limit(): number {
    return this.#limit;
  }

  /** The collector's monotonic milliseconds, of the newest batch; 0 before the first. */
  get now(): number {
    return this.#timeMs ?? 0;
  }

  listen(listener: RowListener): void {
    this.#listeners.add(listener);
  }

  unlisten(listener: RowListener): void {
    this.#listeners.delete(listener);
  }

  row(slot: number): FlowRow | null {
    return this.#slots[slot]?.row ?? null;
  }

  rates(id: string): DirectionRates | null {
    return this.#slots[this.#byId.get(id) ?? NONE]?.rates ?? null;
  }

  /** The row as JSON text. */
  json(slot: number): string | null {
    const found = this.#slots[slot] ?? null;
    if (found === null) return null;
    found.json ??= JSON.stringify(found.row);
    return found.json;
  }

  /**
   * All slots in use: flows that go on, then those that have ended, of each the newest change
   * first. Made once for all who ask before the next change.
   */
  byRecency(): Uint32Array {
    if (this.#recency !== null) return this.#recency;
    const slots = new Uint32Array(this.size);
    let live = 0;
    let ended = this.size - this.#endedSlots.size;
    for (let slot = this.#newest; slot !== NONE; slot = this.#older[slot] as number) {
      slots[this.#endedSlots.has(slot) ? ended++ : live++] = slot;
    }
    this.#recency = slots;
    return slots;
  }

  /** Takes in what the collector sent. */
  apply(batch: RowBatch): void {
    if (batch.reset) this.clear();
    this.#recency = null;
    // A flow met first now has sent all its packets since the batch before.
    const before = this.#timeMs;
    if (before === null) this.#metFromNs = batch.newestNs;
    for (const update of batch.updates) this.#put(update, batch.timeMs, before ?? batch.timeMs);
    for (const id of batch.removed) this.#remove(id);
    // A client that began anew meanwhile may have asked for it.
    this.#recency = null;
    this.#timeMs = batch.timeMs;
    this.total = batch.total;
    this.ended = batch.ended;
    this.behind = batch.behind;
    this.newestNs = Math.max(this.newestNs, batch.newestNs);
  }

  /** Measures the rates of rows that changed, or did and have stopped. */
  measure(): void {
    const now = this.#timeMs;
    if (now === null) return;
    for (const slot of this.#active) {
      const found = this.#slots[slot] ?? null;
      if (found === null) {
        this.#active.delete(slot);
        continue;
      }
      // While changed rows wait with the collector, one that did not come is not silent.
      const at = this.behind === 0 ? now : found.countedAt;
      if (at - found.baseAt < RATE_LEAST_MS) continue;
      const rates = measured(found, (at - found.baseAt) / 1000);
      found.baseAt = at;
      found.basePackets = found.packets;
      found.baseBytes = found.bytes;
      found.rates = rates;
      found.row = withRates(found.row, rates);
      found.json = null;
      const silent = isSilent(rates);
      if (silent) this.#active.delete(slot);
      for (const listener of this.#listeners) listener.changed(slot, silent && found.old);
    }
  }

  /**
   * Gives rows the names that are known by now, so many slots from one on.
   *
   * @returns the slot to go on at; null at the end
   */
  rename(changed: ChangedNames, names: Names, from: number, count: number): number | null {
    const end = Math.min(this.#slots.length, from + count);
    for (let slot = from; slot < end; slot++) {
      const found = this.#slots[slot] ?? null;
      if (found === null || !changed.concern(found.row)) continue;
      const { tags: _, ...rest } = found.row;
      const row: FlowRow = { ...rest, ...rowNames(found.row, found.by, names) };
      if (isDeepStrictEqual(row, found.row)) continue;
      found.row = row;
      found.json = null;
      for (const listener of this.#listeners) listener.changed(slot, found.old);
    }
    return end < this.#slots.length ? end : null;
  }

  /** Forgets all; for when nobody watches, and rates would span the pause. */
  clear(): void {
    this.#slots.length = 0;
    this.#free.length = 0;
    this.#byId.clear();
    this.#active.clear();
    this.#endedSlots.clear();
    this.#oldest = NONE;
    this.#newest = NONE;
    this.#timeMs = null;
    this.#recency = null;
    this.newestNs = 0;
    for (const listener of this.#listeners) listener.cleared();
  }

  #put(update: RowUpdate, now: number, before: number): void {
    const { row, packets, bytes, old } = update;
    const known = this.#byId.get(row.id);
    const slot = known ?? this.#allocate(old, row.ended === true);
    // A full table has no room for what changed longer ago than all it holds.
    if (slot === NONE) return;
    const found = this.#slots[slot] ?? null;
    if (found === null) {
      const met = !old && update.startNs > this.#metFromNs;
      this.#slots[slot] = {
        row,
        by: update.by,
        json: null,
        rates: null,
        packets,
        bytes,
        countedAt: now,
        basePackets: met ? [0, 0] : packets,
        baseBytes: met ? [0, 0] : bytes,
        baseAt: met ? before : now,
        old,
      };
      this.#byId.set(row.id, slot);
      this.#link(slot, old);
    } else {
      found.row = found.rates === null ? row : withRates(row, found.rates);
      found.json = null;
      found.by = update.by;
      found.packets = packets;
      found.bytes = bytes;
      found.countedAt = now;
      found.old &&= old;
      if (!old) {
        this.#unlink(slot);
        this.#link(slot, false);
      }
    }
    if (row.ended === true) this.#endedSlots.add(slot);
    // Its rates are to be measured.
    this.#active.add(slot);
    for (const listener of this.#listeners) listener.changed(slot, old);
  }

  /**
   * A free slot. Where there is none, that of the flow that ended longest ago, else of the
   * oldest row, but not for a row older still.
   */
  #allocate(old: boolean, hasEnded: boolean): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#slots.length < this.#limit) return this.#slots.push(null) - 1;
    this.evicted += 1;
    const [ended] = this.#endedSlots;
    const oldest = this.#slots[ended ?? this.#oldest] ?? null;
    if (oldest === null || (old && (ended === undefined || hasEnded))) return NONE;
    this.#remove(oldest.row.id);
    return this.#free.pop() ?? NONE;
  }

  #remove(id: string): void {
    const slot = this.#byId.get(id);
    if (slot === undefined) return;
    this.#byId.delete(id);
    this.#endedSlots.delete(slot);
    this.#unlink(slot);
    this.#slots[slot] = null;
    this.#free.push(slot);
    for (const listener of this.#listeners) listener.removed(slot, id);
  }

  /** Puts a slot at the newer end of the order of change, or at the older one. */
  #link(slot: number, atOldEnd: boolean): void {
    const neighbour = atOldEnd ? this.#oldest : this.#newest;
    this.#older[slot] = atOldEnd ? NONE : neighbour;
    this.#newer[slot] = atOldEnd ? neighbour : NONE;
    if (neighbour !== NONE) (atOldEnd ? this.#older : this.#newer)[neighbour] = slot;
    if (atOldEnd || this.#oldest === NONE) this.#oldest = slot;
    if (!atOldEnd || this.#newest === NONE) this.#newest = slot;
  }

  #unlink(slot: number): void {
    const older = this.#older[slot] as number;
    const newer = this.#newer[slot] as number;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
  }
}

function measured(slot: Slot, seconds: number): DirectionRates {
  const rate = (side: 0 | 1): DirectionRates['original'] => {
    const packets = slot.packets[side] - slot.basePackets[side];
    const bytes = slot.bytes[side] - slot.baseBytes[side];
    // Counts only fall when the flow was forgotten and met again.
    return packets < 0 || bytes < 0
      ? { packetsPerSecond: null, bytesPerSecond: null }
      : { packetsPerSecond: packets / seconds, bytesPerSecond: bytes / seconds };
  };
  return { original: rate(0), reply: rate(1) };
}

function isSilent(rates: DirectionRates): boolean {
  return rates.original.packetsPerSecond === 0 && rates.reply.packetsPerSecond === 0;
}
